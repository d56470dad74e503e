/** A provider that answers fewer outcomes than messages is broken: that is a defect. */
export const missingOutcome = new Error("the provider answered fewer outcomes than messages")
