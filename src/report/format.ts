const THOUSANDS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 60000 -> "60,000"; rounds to a whole number. */
export function wholeNumber(value: number): string {
  return THOUSANDS.format(value);
}

/** A loss or metric: three decimals where that says something, else three significant digits. */
export function metricValue(value: number): string {
  return Math.abs(value) >= 0.001 || value === 0 ? value.toFixed(3) : value.toPrecision(3);
}

/** "0.5 s", "12.3 s", "4 min 05 s", "2 h 03 min". */
export function duration(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${twoDigits(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}

/** "1 worker", "2 workers". */
export function counted(count: number, noun: string): string {
  return `${wholeNumber(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** With a capital letter at its beginning. */
export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
