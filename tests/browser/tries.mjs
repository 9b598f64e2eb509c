// What a browser shows of a line that narrows, something else on the machine may disturb.

const TRIES = 3;

/** Tries again what did not hold. Gives the numbers of every try, and fails with them if none held. */
export async function tried(attempt) {
  const told = [];
  while (told.length < TRIES) {
    const { numbers, held } = await attempt();
    told.push(numbers);
    if (held) return told.join("; ");
  }
  throw new Error(told.join("; "));
}
