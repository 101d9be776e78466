/** What `tour` gives, wherever it runs. */
export const tourResult = {
  printed: "grüße 🙂\n",
  commands: [null, "echo 'grüße 🙂' | tee file", "rm file"],
  restored: "grüße 🙂\n",
  failure: "not_found",
}
