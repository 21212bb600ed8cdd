/** Whose fault an error is: the caller's input (exit status 2) or the run itself (exit status 1). */
export type ErrorKind = 'input' | 'run';

/**
 * The one error class of the package. `code` is stable and meant to be matched; the message is one sentence that says
 * what is wrong, where, and what to do about it.
 */
export class TensorflockError extends Error {
  override readonly name = 'TensorflockError';

  constructor(
    readonly code: string,
    message: string,
    readonly kind: ErrorKind = 'input',
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** An error of the caller's input: what, where, what to do. */
export function inputError(code: string, message: string, options?: ErrorOptions): TensorflockError {
  return new TensorflockError(code, message, 'input', options);
}

/** An error of the run: the input was fine and something failed all the same. */
export function runError(code: string, message: string, options?: ErrorOptions): TensorflockError {
  return new TensorflockError(code, message, 'run', options);
}
