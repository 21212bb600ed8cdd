// What a page has for computing, and what it says of what it lacks.

export interface PagePowers {
  /** `isSecureContext`: https, or this machine itself. */
  readonly isSecure: boolean;
  /** `crossOriginIsolated`: its workers may share memory. */
  readonly isIsolated: boolean;
  readonly hasSimd: boolean;
  readonly hasRelaxedSimd: boolean;
  readonly hasWakeLock: boolean;
  /** False for a run that asks nobody for one. */
  readonly hasKey: boolean;
}

/** Sentences, the gravest first. */
export function lacksOf({ isSecure, isIsolated, hasSimd, hasRelaxedSimd, hasWakeLock, hasKey }: PagePowers): string[] {
  return [
    ...(hasSimd ? [] : ['This browser has no 128-bit SIMD, so it cannot compute for any run; a newer one can.']),
    ...(isSecure ? [] : ['This page came over plain http: strangers on this network can read and change what is sent, this page itself included.']),
    ...(hasKey ? [] : ['This run asks nobody for a key: whoever reaches the coordinator can join it, and see its data.']),
    ...(isIsolated ? [] : ['Its workers may not share memory here, so that one of them computes; over https each core can.']),
    ...(hasRelaxedSimd || !hasSimd ? [] : ['This browser has no fused multiply-add (relaxed SIMD); a run takes it in where the coordinator was started with --kernels portable.']),
    ...(hasWakeLock ? [] : ['It cannot keep the screen on here; where the screen goes off, a phone may stop computing.']),
  ];
}
