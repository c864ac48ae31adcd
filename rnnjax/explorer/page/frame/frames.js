// Long computations in short pieces, so that the page stays at the rate of the screen.
//
// A job is a generator that yields after at most a few milliseconds of work. All jobs together get
// `BUDGET` milliseconds of a frame, in the order in which they were first asked for; asking again
// under the same name replaces what is left of the old job.

const BUDGET = 5;

export function createFrames() {
  const jobs = new Map();
  const waiting = [];
  const statistics = { frames: 0, milliseconds: 0, longest: 0 };
  let asked = false;

  function ask() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(frame);
  }

  function frame() {
    asked = false;
    const start = performance.now();
    for (const [name, job] of jobs) {
      while (performance.now() - start < BUDGET) {
        if (!job.next().done) continue;
        if (jobs.get(name) === job) jobs.delete(name);
        break;
      }
    }
    const spent = performance.now() - start;
    statistics.frames += 1;
    statistics.milliseconds += spent;
    statistics.longest = Math.max(statistics.longest, spent);
    if (jobs.size > 0) ask();
    else while (waiting.length > 0) waiting.pop()();
  }

  return {
    statistics,
    // Start, or start again, the job of this name.
    schedule(name, generator) {
      jobs.set(name, generator);
      ask();
    },
    // A promise that is kept once nothing is left to do.
    idle() {
      return new Promise((resolve) => {
        waiting.push(resolve);
        ask();
      });
    },
  };
}
