export function optimizersStub(): void {}
