"""The eligibility ratio across training cycles, and what it does where everything is known."""
