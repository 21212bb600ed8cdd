export function matmulStub(): void {}
