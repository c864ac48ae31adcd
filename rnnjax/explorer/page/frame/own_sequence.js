// The one sequence of the reader's own that pages share; it never leaves the page.
//
// It is {name, values: Float64Array (T x n_x, row by row), length: T, columns: [names], note}, or
// null where none was given.

const followers = [];
let sequence = null;

export function ownSequence() {
  return sequence;
}

export function setOwnSequence(given) {
  sequence = given;
  for (const follow of followers) follow(sequence);
}

// `follow(sequence)` is called whenever another sequence is given.
export function onOwnSequence(follow) {
  followers.push(follow);
}
