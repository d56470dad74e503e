/** What SQS takes; the rest is refused by the service, so it is encoded before. */

/** Most text is plain ASCII, and the check of all of Unicode takes several times as long. */
const unusualText = /[^\t\n\r -~]/u

const illegalText = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u

/** The characters of XML 1.0, and at least one: of a body, and of an attribute's value. */
export const isText = (text: string): boolean =>
  text !== "" && (!unusualText.test(text) || !illegalText.test(text))

const nameLengthMax = 256

/** Of an attribute. Those of AWS's own prefixes are its own, and the SDK's answers lose `__proto__`. */
export const isAttributeName = (name: string): boolean =>
  name !== "__proto__" &&
  name.length <= nameLengthMax &&
  /^[\w-]+(?:\.[\w-]+)*$/u.test(name) &&
  !/^(?:aws|amazon)\./iu.test(name)

/** Of a message group and of a deduplication id: letters, digits and punctuation, so no space. */
export const isId = (id: string): boolean => /^[!-~]{1,128}$/u.test(id)
