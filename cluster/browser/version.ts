declare const PACKAGE_VERSION: string;

/** Of the package, put here when the page is bundled. */
export const softwareVersion: string = PACKAGE_VERSION;
