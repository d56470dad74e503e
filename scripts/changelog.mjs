// How a changelog is written: what users notice, without the commits and one line for all that came along.
const getReleaseLine = async ({ summary }) => {
  const [first = "", ...rest] = summary.trim().split("\n")
  return [`- ${first}`, ...rest.map((line) => (line === "" ? "" : `  ${line}`))].join("\n")
}

const getDependencyReleaseLine = async (_changesets, updated) =>
  updated.length === 0
    ? ""
    : `- Updated ${updated.map(({ name, newVersion }) => `${name}@${newVersion}`).join(", ")}`

export default { getDependencyReleaseLine, getReleaseLine }
