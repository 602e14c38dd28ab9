export interface Registry { readonly version: string }
