/**
 * Whether this Node can run the tool. It imports nothing: an old one must get as far as being told.
 *
 * @since 0.1.0
 */

/** The oldest that `engines` allows. */
const oldest = { major: 22, minor: 19 }

/**
 * What to say to a Node that is too old; nothing to any other.
 *
 * @category accessors
 * @since 0.1.0
 */
export const objection = (version: string): string | undefined => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  const isEnough = major > oldest.major || (major === oldest.major && minor >= oldest.minor)
  return isEnough
    ? undefined
    : `error: queue-runtime needs Node ${oldest.major}.${oldest.minor} or newer, and this is ${version}`
}
