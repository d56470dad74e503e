/** How a cost grows with a size. */

/**
 * The exponent of the power that fits best, by least squares over the logarithms of both: 0 where the cost
 * stays, 1 where it grows as the size does.
 */
export const exponent = (points: ReadonlyArray<readonly [size: number, cost: number]>): number => {
  const logs = points.map(([size, cost]) => [Math.log(size), Math.log(cost)] as const)
  const mean = (values: ReadonlyArray<number>): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length
  const x = mean(logs.map(([size]) => size))
  const y = mean(logs.map(([, cost]) => cost))
  const shared = logs.reduce((sum, [size, cost]) => sum + (size - x) * (cost - y), 0)
  return shared / logs.reduce((sum, [size]) => sum + (size - x) ** 2, 0)
}
