import { z } from 'zod'
import { declaredClientSchema } from '../clients/declared-client.ts'
import type { MetadataRules } from '../clients/metadata.ts'
import { resourceDefinitionSchema } from '../clients/resource-definition.ts'
import { providerDefinitionSchema } from '../upstream/provider-definition.ts'

/** What an administrator may declare in the file instead of through the admin API, where it is then read-only. */
export const declarationsSchema = (rules: MetadataRules) =>
  z.strictObject({
    providers: z.record(z.string(), providerDefinitionSchema).default({}),
    resources: z.record(z.string(), resourceDefinitionSchema).default({}),
    clients: z.array(declaredClientSchema(rules)).default([]),
  })

export type Declarations = z.infer<ReturnType<typeof declarationsSchema>>
