/** How we name ourselves to servers. A test compares it with package.json. */
export const userAgent = "tokenkeep/0.1.0"
