/** The text of a page, as Vite hands it over. */
declare module '*.md?raw' {
  const text: string
  export default text
}
