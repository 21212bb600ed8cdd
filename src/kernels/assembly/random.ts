export function randomStub(): void {}
