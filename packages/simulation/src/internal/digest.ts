/** A number for a body: two bodies of one number are taken for the same (FNV-1a). */
export const digest = (body: Uint8Array): number => {
  let value = 0x811c9dc5
  for (const byte of body) value = Math.imul(value ^ byte, 0x01000193)
  return value >>> 0
}
