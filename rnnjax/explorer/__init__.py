"""Pages that compute in the browser: the explorer of small networks, and the viewer of results."""
