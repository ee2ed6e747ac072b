/** Timers of a Durable Object's present life. */
export const timers = {
  after(ms: number, action: () => void): () => void {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  },
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, ms)
    })
  },
}
