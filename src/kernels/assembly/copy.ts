export function copyStub(): void {}
