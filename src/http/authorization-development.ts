import type { Context } from 'oidc-provider';

type Errors = (typeof import('oidc-provider'))['errors'];

const parameters = {
  patient: /^[A-Za-z0-9.-]{1,64}$/,
  fhirUser: /^(?:Practitioner|Patient|RelatedPerson)\/[A-Za-z0-9.-]{1,64}$/,
} as const;

/**
 * In development a token can be had for any patient or user without a launch: parameters of the token request name them.
 * In production nothing can be had this way.
 */
export function developmentContext(mode: 'development' | 'production', context: Context, errors: Errors): { patient?: string; fhirUser?: string } {
  const found: { patient?: string; fhirUser?: string } = {};
  if (mode !== 'development') return found;
  for (const name of ['patient', 'fhirUser'] as const) {
    const value = context.oidc?.body?.[name];
    if (value === undefined || value === '') continue;
    if (typeof value !== 'string' || !parameters[name].test(value)) {
      throw new errors.InvalidRequest(name === 'patient' ? 'patient must be the id of a Patient' : 'fhirUser must be Practitioner/id or Patient/id');
    }
    found[name] = value;
  }
  return found;
}
