/** µs on a clock that all processes of the machine share. */
export const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

const MARK = 0x7e;
const DIGITS = 14;

/** A token that says when it was emitted: about as long as one of a real model, with its event's framing around it. */
export function stampedToken(): string {
  return `~${nowUs().toString().padStart(DIGITS, '0')} `;
}

/** Calls back with the age of every token in a frame, in µs. */
export function agesIn(frame: Buffer, nowAtUs: number, onAge: (ageUs: number) => void): void {
  for (let at = frame.indexOf(MARK); at !== -1; at = frame.indexOf(MARK, at + DIGITS)) {
    let stamp = 0;
    for (let i = at + 1; i <= at + DIGITS; i++) stamp = stamp * 10 + (frame[i] as number) - 0x30;
    onAge(nowAtUs - stamp);
  }
}
