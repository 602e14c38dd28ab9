/** Ids of the clients that exist in development mode only: one authenticates with a secret, one with a signed assertion. */
export const developmentClient = { withSecret: 'development', withKey: 'development-key' } as const;

/** All that a client of this service can be registered for. */
export const developmentScopes = 'patient/*.cruds user/*.cruds system/*.cruds';
