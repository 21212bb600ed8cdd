// Elementary functions in float64 from +, -, * and / alone, which every engine rounds alike; `Math.exp`, `Math.log`,
// `Math.cos` and `**` differ between engines in the last bit. They run once a step, so they are short rather than fast.

const LN_2 = 0.6931471805599453;
/** ln 2 in two pieces, the first with 32 bits, so that its product with a whole number below 2^21 is exact. */
const LN_2_HIGH = 0.693147180369123816490;
const LN_2_LOW = 1.90821492927058770002e-10;
const SQRT_2 = 1.4142135623730951;
/** Beyond these e^x is 0 and Infinity. */
const EXP_LOWEST = -746;
const EXP_HIGHEST = 710;
/** Terms after which a Taylor series has converged: |x| <= ln 2 / 2 and |x| <= pi / 4; of atanh for |x| <= 0.172. */
const EXP_TERMS = 14;
const CIRCLE_TERMS = 9;
const ATANH_TERMS = 11;

/** base^exponent for a whole exponent >= 0, by repeated squaring. */
export function wholePower(base: number, exponent: number): number {
  let result = 1;
  let square = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}

/** e^x. */
export function exponential(x: number): number {
  if (x < EXP_LOWEST) return 0;
  if (x > EXP_HIGHEST) return Infinity;
  const twos = Math.round(x / LN_2);
  const rest = x - twos * LN_2_HIGH - twos * LN_2_LOW;
  let sum = 1;
  for (let term = EXP_TERMS; term > 0; term--) sum = 1 + (sum * rest) / term; // Horner's form of the sum of rest^n / n!
  return twos < 0 ? scaleDown(sum, -twos) : sum * wholePower(2, twos);
}

/** x / 2^twos in two steps, because 2^1074 is no float64. */
function scaleDown(x: number, twos: number): number {
  const half = Math.floor(twos / 2);
  return x / wholePower(2, half) / wholePower(2, twos - half);
}

/** ln x for finite x > 0: x = 2^twos * m with sqrt(1/2) <= m <= sqrt(2), and ln m = 2 atanh((m - 1) / (m + 1)). */
export function logarithm(x: number): number {
  let [mantissa, twos] = [x, 0];
  for (; mantissa > SQRT_2; twos++) mantissa /= 2;
  for (; mantissa < SQRT_2 / 2; twos--) mantissa *= 2;
  const s = (mantissa - 1) / (mantissa + 1);
  let sum = 0;
  for (let term = ATANH_TERMS; term >= 0; term--) sum = sum * s * s + 1 / (2 * term + 1);
  return twos * LN_2_LOW + 2 * s * sum + twos * LN_2_HIGH;
}

/** base^exponent for base > 0 and exponent >= 0; the whole part by repeated squaring. */
export function power(base: number, exponent: number): number {
  const whole = Math.floor(exponent);
  return wholePower(base, whole) * exponential((exponent - whole) * logarithm(base));
}

/** cos(pi * turns) for turns in 0..1. */
export function cosineOfHalfTurns(turns: number): number {
  if (turns > 0.5) return -cosineOfHalfTurns(1 - turns);
  if (turns > 0.25) return sineSeries((0.5 - turns) * Math.PI);
  return cosineSeries(turns * Math.PI);
}

function cosineSeries(x: number): number {
  let sum = 1;
  for (let term = CIRCLE_TERMS; term > 0; term--) sum = 1 - (sum * x * x) / ((2 * term - 1) * (2 * term));
  return sum;
}

function sineSeries(x: number): number {
  let sum = 1;
  for (let term = CIRCLE_TERMS; term > 0; term--) sum = 1 - (sum * x * x) / (2 * term * (2 * term + 1));
  return sum * x;
}
