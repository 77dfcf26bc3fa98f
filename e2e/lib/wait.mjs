const POLL = 50

/**
 * Asks `question` again and again until it answers with something true, and returns that. An answer that
 * does not come within `within` milliseconds fails the test with `what` was waited for.
 */
export async function until(what, question, within = 10_000) {
  const deadline = Date.now() + within
  for (;;) {
    const answer = await question()
    if (answer) return answer
    if (Date.now() > deadline) throw new Error(`${what}: not within ${within} ms`)
    await new Promise((resolve) => setTimeout(resolve, POLL))
  }
}

/** `promise`, or a failure after `within` milliseconds: nothing in these tests may wait for ever. */
export async function soon(what, promise, within = 10_000) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${within} ms`)), within)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
