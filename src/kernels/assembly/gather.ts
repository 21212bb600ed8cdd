export function gatherStub(): void {}
