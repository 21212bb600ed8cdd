export function elementwiseStub(): void {}
