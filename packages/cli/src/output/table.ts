/** Columns padded as kubectl and istioctl do: three spaces between, no trailing blanks, header in capitals as given. */
export function renderTable(header: string[], rows: string[][]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd((widths[column] as number) + 3))
          .join('')
          .trimEnd()}\n`,
    )
    .join('');
}
