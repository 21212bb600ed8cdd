export function reduceStub(): void {}
