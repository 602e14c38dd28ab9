/** A FHIR Coding as instruments carry it. */
export interface Coding { readonly system?: string; readonly version?: string; readonly code?: string; readonly display?: string }
