/** The broker's number, where it is one. */
export const sequenceOf = (text: string | undefined): bigint | undefined =>
  text !== undefined && /^\d{1,40}$/u.test(text) ? BigInt(text) : undefined
