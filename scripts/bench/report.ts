/** What was measured, and the table of it. */

export interface Row {
  readonly what: string
  readonly value: number
  /** `×`: a ratio. The empty unit counts things. */
  readonly unit: "×" | "ms" | "KiB" | "MiB" | "B" | "/s" | ""
  /** Absent: for information. */
  readonly target?: { readonly is: "at most" | "less than" | "at least" | "exactly"; readonly value: number }
  /** Absolute figures, and what is included. */
  readonly note: string
}

const signs = { "at most": "≤", "less than": "<", "at least": "≥", exactly: "=" } as const

/** What the same code gives on the same machine from one run to the next. A count has no noise. */
const noise = 1.1

const isOver = ({ target, value }: Row, tolerance: number): boolean => {
  switch (target?.is) {
    case undefined:
      return false
    case "exactly":
      return value !== target.value
    case "less than":
      return value >= target.value * tolerance
    case "at least":
      return value * tolerance < target.value
    case "at most":
      return value > target.value * tolerance
  }
}

/** The target is missed, and chance is no excuse. */
export const isMissed = (row: Row): boolean => isOver(row, noise)

const amount = (value: number, unit: Row["unit"]): string => {
  const isFine = unit === "×" || unit === "KiB" || (unit === "ms" && value < 10)
  const digits = isFine ? 2 : 0
  const text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return ["ms", "KiB", "MiB", "B"].includes(unit) ? `${text} ${unit}` : `${text}${unit}`
}

const verdict = (row: Row): string => (row.target === undefined ? "" : isOver(row, 1) ? "over" : "ok")

const cells = (row: Row): ReadonlyArray<string> => [
  row.what,
  amount(row.value, row.unit),
  row.target ? `${signs[row.target.is]} ${amount(row.target.value, row.unit)}` : "",
  verdict(row),
  row.note,
]

export const table = (rows: ReadonlyArray<Row>): string => {
  const lines = [["what", "measured", "target", "", "aside"], ...rows.map(cells)]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines
    .map((line) =>
      line.map((cell, column) => (column === 1 ? cell.padStart(widths[1]!) : cell.padEnd(widths[column] ?? 0))),
    )
    .map((line) => line.join("  ").trimEnd())
    .join("\n")
}
