/** Talks to the control entrypoints of the rig's services. */

/** @throws {Error} when the answer is not a success */
export async function readControl<T>(url: string): Promise<T> {
  return answered<T>(await fetch(url))
}

/** @throws {Error} when the answer is not a success */
export async function commandControl(url: string, body: unknown = {}): Promise<void> {
  await answered(await fetch(url, { method: 'POST', body: JSON.stringify(body) }))
}

async function answered<T>(res: Response): Promise<T> {
  if (!res.ok) throw new Error(`${res.url} answered ${res.status}: ${await res.text()}`)
  return (await res.json()) as T
}
