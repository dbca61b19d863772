CREATE TABLE "administrators" (
	"name" text collate "C" PRIMARY KEY NOT NULL,
	"role" text collate "C" NOT NULL,
	"password_hash" text collate "C" NOT NULL,
	"enabled" boolean NOT NULL,
	"created_at" bigint NOT NULL,
	"last_seen_at" bigint
);
--> statement-breakpoint
CREATE TABLE "applications" (
	"resource_id" text collate "C" PRIMARY KEY NOT NULL,
	"published_at" bigint,
	"changed_at" bigint,
	"probes" json,
	"probed_at" bigint,
	"probe_due_at" bigint,
	"activated_at" bigint,
	"activated_by" text collate "C"
);
--> statement-breakpoint
CREATE TABLE "audit_cuts" (
	"chain" text collate "C" PRIMARY KEY NOT NULL,
	"seq" bigint NOT NULL,
	"mac" text collate "C" NOT NULL,
	"at" bigint NOT NULL,
	"proof" text collate "C" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit_events" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"at" bigint NOT NULL,
	"event" text collate "C" NOT NULL,
	"actor" text collate "C" NOT NULL,
	"outcome" text collate "C" NOT NULL,
	"subject_id" text collate "C",
	"client_id" text collate "C",
	"resource_id" text collate "C",
	"provider" text collate "C",
	"tsid_hash" text collate "C",
	"detail" json NOT NULL,
	"chain" text collate "C" NOT NULL,
	"seq" bigint NOT NULL,
	"mac" text collate "C" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit_keys" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"sealed_key" text collate "C" NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "bindings" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"resource_id" text collate "C" NOT NULL,
	"role_id" text collate "C" NOT NULL,
	"holder" text collate "C" NOT NULL,
	"subject_id" text collate "C",
	"group_provider" text collate "C",
	"group_name" text collate "C",
	"conditions" json NOT NULL,
	"expires_at" bigint,
	"created_at" bigint NOT NULL,
	"created_by" text collate "C" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "browser_sessions" (
	"secret_hash" text collate "C" PRIMARY KEY NOT NULL,
	"subject_id" text collate "C" NOT NULL,
	"sign_ins" json NOT NULL,
	"created_at" bigint NOT NULL,
	"last_seen_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "chores" (
	"name" text collate "C" PRIMARY KEY NOT NULL,
	"fence" bigint NOT NULL,
	"beats" bigint NOT NULL,
	"holder" text collate "C",
	"done_at" bigint
);
--> statement-breakpoint
CREATE TABLE "clients" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"origin" text collate "C" NOT NULL,
	"metadata" json NOT NULL,
	"secret_hash" text collate "C",
	"registration_token_hash" text collate "C",
	"trusted" boolean NOT NULL,
	"enabled" boolean NOT NULL,
	"invited" boolean NOT NULL,
	"created_at" bigint NOT NULL,
	"last_used_at" bigint,
	"fresh_until" bigint,
	"expires_at" bigint
);
--> statement-breakpoint
CREATE TABLE "codes" (
	"code_hash" text collate "C" PRIMARY KEY NOT NULL,
	"grant_id" text collate "C" NOT NULL,
	"redirect_uri" text collate "C" NOT NULL,
	"code_challenge" text collate "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"used_at" bigint
);
--> statement-breakpoint
CREATE TABLE "connect_links" (
	"ticket_hash" text collate "C" PRIMARY KEY NOT NULL,
	"grant_id" text collate "C" NOT NULL,
	"provider" text collate "C" NOT NULL,
	"scopes" json NOT NULL,
	"account_id" text collate "C",
	"status" text collate "C" NOT NULL,
	"reason" text collate "C",
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "connections" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"subject_id" text collate "C" NOT NULL,
	"provider" text collate "C" NOT NULL,
	"issuer" text collate "C" NOT NULL,
	"upstream_subject" text collate "C" NOT NULL,
	"account_id" text collate "C" NOT NULL,
	"account_label" text collate "C" NOT NULL,
	"scopes" json NOT NULL,
	"token_endpoint" text collate "C" NOT NULL,
	"upstream_client_id" text collate "C" NOT NULL,
	"sealed_access_token" text collate "C" NOT NULL,
	"sealed_refresh_token" text collate "C",
	"token_type" text collate "C" NOT NULL,
	"access_expires_at" bigint,
	"access_lifetime" bigint,
	"refresh_expires_at" bigint,
	"status" text collate "C" NOT NULL,
	"status_reason" text collate "C",
	"status_since" bigint NOT NULL,
	"created_at" bigint NOT NULL,
	"authorized_at" bigint NOT NULL,
	"refreshed_at" bigint NOT NULL,
	"sites" json,
	"last_used_at" bigint,
	"last_used_by" text collate "C",
	"version" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "consents" (
	"subject_id" text collate "C" NOT NULL,
	"client_id" text collate "C" NOT NULL,
	"redirect_uri" text collate "C" NOT NULL,
	"resource_id" text collate "C" NOT NULL,
	"scopes" json NOT NULL,
	"provider_scopes" json NOT NULL,
	"shown_hash" text collate "C" NOT NULL,
	"granted_at" bigint NOT NULL,
	CONSTRAINT "consents_subject_id_client_id_redirect_uri_resource_id_pk" PRIMARY KEY("subject_id","client_id","redirect_uri","resource_id")
);
--> statement-breakpoint
CREATE TABLE "decisions" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"at" bigint NOT NULL,
	"resource_id" text collate "C" NOT NULL,
	"subject_id" text collate "C" NOT NULL,
	"client_id" text collate "C" NOT NULL,
	"tool" text collate "C" NOT NULL,
	"allowed" boolean NOT NULL,
	"code" text collate "C",
	"detail" json NOT NULL,
	"expires_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "grant_connections" (
	"grant_id" text collate "C" NOT NULL,
	"connection_id" text collate "C" NOT NULL,
	"provider" text collate "C" NOT NULL,
	"site_id" text collate "C",
	CONSTRAINT "grant_connections_grant_id_connection_id_pk" PRIMARY KEY("grant_id","connection_id")
);
--> statement-breakpoint
CREATE TABLE "grants" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"tsid" text collate "C" NOT NULL,
	"subject_id" text collate "C" NOT NULL,
	"client_id" text collate "C" NOT NULL,
	"resource_id" text collate "C",
	"audience" text collate "C" NOT NULL,
	"scopes" json NOT NULL,
	"auth_time" bigint NOT NULL,
	"acr" text collate "C",
	"created_at" bigint NOT NULL,
	"last_used_at" bigint NOT NULL,
	"access_ends_at" bigint,
	"expires_at" bigint NOT NULL,
	"absolute_ends_at" bigint NOT NULL,
	"revoked_at" bigint,
	"revoked_reason" text collate "C",
	"parent_id" text collate "C"
);
--> statement-breakpoint
CREATE TABLE "identities" (
	"provider" text collate "C" NOT NULL,
	"issuer" text collate "C" NOT NULL,
	"upstream_subject" text collate "C" NOT NULL,
	"subject_id" text collate "C" NOT NULL,
	"label" text collate "C" NOT NULL,
	"email" text collate "C",
	"email_verified" boolean NOT NULL,
	"groups" json NOT NULL,
	"created_at" bigint NOT NULL,
	"last_sign_in_at" bigint NOT NULL,
	CONSTRAINT "identities_provider_issuer_upstream_subject_pk" PRIMARY KEY("provider","issuer","upstream_subject")
);
--> statement-breakpoint
CREATE TABLE "interactions" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"browser_hash" text collate "C" NOT NULL,
	"client_id" text collate "C",
	"resource_id" text collate "C",
	"request" json NOT NULL,
	"sign_in_provider" text collate "C",
	"subject_id" text collate "C",
	"auth_time" bigint,
	"acr" text collate "C",
	"switches_account" boolean NOT NULL,
	"consent" json,
	"connected" json NOT NULL,
	"picked_sites" json NOT NULL,
	"leg" json,
	"leg_state_hash" text collate "C",
	"sealed_leg_secrets" text collate "C",
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"completed_at" bigint,
	"version" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "key_checks" (
	"master_key_id" text collate "C" PRIMARY KEY NOT NULL,
	"sealed_check" text collate "C" NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "providers" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"document" json NOT NULL,
	"client_id" text collate "C" NOT NULL,
	"sealed_client_secret" text collate "C",
	"origin" text collate "C" NOT NULL,
	"enabled" boolean NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL,
	"version" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "quota_counts" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"quota_id" text collate "C" NOT NULL,
	"used" bigint NOT NULL,
	"expires_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "quotas" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"resource_id" text collate "C" NOT NULL,
	"document" json NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "rate_levels" (
	"key_hash" text collate "C" PRIMARY KEY NOT NULL,
	"rate" text collate "C" NOT NULL,
	"full_at_micros" bigint NOT NULL,
	"taken_micros" bigint NOT NULL,
	"changed_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "refresh_leases" (
	"connection_id" text collate "C" PRIMARY KEY NOT NULL,
	"fence" bigint NOT NULL,
	"holder" text collate "C" NOT NULL,
	"expires_at" bigint NOT NULL,
	"version" bigint NOT NULL,
	"sent_at" bigint,
	"attempts" bigint NOT NULL,
	"sealed_answer" text collate "C",
	"answered_at" bigint,
	"rest_until" bigint,
	"rest_reason" json,
	"bought_version" bigint
);
--> statement-breakpoint
CREATE TABLE "refresh_tokens" (
	"token_hash" text collate "C" PRIMARY KEY NOT NULL,
	"grant_id" text collate "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"used_at" bigint,
	"successor_hash" text collate "C",
	"sealed_successor" text collate "C"
);
--> statement-breakpoint
CREATE TABLE "registration_tokens" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"token_hash" text collate "C" NOT NULL,
	"uses_left" bigint NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "reseals" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"master_key_id" text collate "C" NOT NULL,
	"requested_by" text collate "C" NOT NULL,
	"requested_at" bigint NOT NULL,
	"resealed" bigint NOT NULL,
	"unopened" bigint NOT NULL,
	"finished_at" bigint
);
--> statement-breakpoint
CREATE TABLE "resource_credentials" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"resource_id" text collate "C" NOT NULL,
	"secret_hash" text collate "C",
	"key_set" json,
	"key_set_uri" text collate "C",
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "resources" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"uri" text collate "C" NOT NULL,
	"document" json NOT NULL,
	"origin" text collate "C" NOT NULL,
	"enabled" boolean NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "roles" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"resource_id" text collate "C" NOT NULL,
	"name" text collate "C" NOT NULL,
	"document" json NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sign_in_places" (
	"address_hash" text collate "C" PRIMARY KEY NOT NULL,
	"subject_hash" text collate "C" NOT NULL,
	"at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "signing_keys" (
	"kid" text collate "C" PRIMARY KEY NOT NULL,
	"public_jwk" json NOT NULL,
	"sealed_private_jwk" text collate "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"active_at" bigint NOT NULL,
	"retires_at" bigint
);
--> statement-breakpoint
CREATE TABLE "step_ups" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"subject_id" text collate "C" NOT NULL,
	"client_id" text collate "C" NOT NULL,
	"resource_id" text collate "C" NOT NULL,
	"tool" text collate "C" NOT NULL,
	"arguments_hash" text collate "C" NOT NULL,
	"rule" json NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"auth_time" bigint,
	"used_at" bigint
);
--> statement-breakpoint
CREATE TABLE "subjects" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"enabled" boolean NOT NULL,
	"created_at" bigint NOT NULL,
	"last_seen_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tools" (
	"resource_id" text collate "C" NOT NULL,
	"name" text collate "C" NOT NULL,
	"published" json NOT NULL,
	"published_hash" text collate "C" NOT NULL,
	"is_published" boolean NOT NULL,
	"rule" json,
	"reviewed_hash" text collate "C",
	"reviewed" json,
	"reviewed_at" bigint,
	"reviewed_by" text collate "C",
	"created_at" bigint NOT NULL,
	"changed_at" bigint NOT NULL,
	CONSTRAINT "tools_resource_id_name_pk" PRIMARY KEY("resource_id","name")
);
--> statement-breakpoint
CREATE TABLE "upstream_revocations" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"cause" text collate "C" NOT NULL,
	"extent" text collate "C" NOT NULL,
	"subject_id" text collate "C",
	"provider" text collate "C" NOT NULL,
	"issuer" text collate "C",
	"upstream_subject" text collate "C",
	"token_endpoint" text collate "C" NOT NULL,
	"upstream_client_id" text collate "C" NOT NULL,
	"document" json,
	"sealed_client_secret" text collate "C",
	"connection_id" text collate "C",
	"sealed_access_token" text collate "C" NOT NULL,
	"sealed_refresh_token" text collate "C",
	"sealed_answer" text collate "C",
	"attempts" bigint NOT NULL,
	"trouble" json,
	"next_at" bigint NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "used_assertions" (
	"assertion_hash" text collate "C" PRIMARY KEY NOT NULL,
	"expires_at" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "applications" ADD CONSTRAINT "applications_resource_id_resources_id_fk" FOREIGN KEY ("resource_id") REFERENCES "public"."resources"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "bindings" ADD CONSTRAINT "bindings_resource_id_resources_id_fk" FOREIGN KEY ("resource_id") REFERENCES "public"."resources"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "bindings" ADD CONSTRAINT "bindings_role_id_roles_id_fk" FOREIGN KEY ("role_id") REFERENCES "public"."roles"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "bindings" ADD CONSTRAINT "bindings_subject_id_subjects_id_fk" FOREIGN KEY ("subject_id") REFERENCES "public"."subjects"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "browser_sessions" ADD CONSTRAINT "browser_sessions_subject_id_subjects_id_fk" FOREIGN KEY ("subject_id") REFERENCES "public"."subjects"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "codes" ADD CONSTRAINT "codes_grant_id_grants_id_fk" FOREIGN KEY ("grant_id") REFERENCES "public"."grants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "connect_links" ADD CONSTRAINT "connect_links_grant_id_grants_id_fk" FOREIGN KEY ("grant_id") REFERENCES "public"."grants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "connections" ADD CONSTRAINT "connections_subject_id_subjects_id_fk" FOREIGN KEY ("subject_id") REFERENCES "public"."subjects"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "consents" ADD CONSTRAINT "consents_subject_id_subjects_id_fk" FOREIGN KEY ("subject_id") REFERENCES "public"."subjects"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "consents" ADD CONSTRAINT "consents_client_id_clients_id_fk" FOREIGN KEY ("client_id") REFERENCES "public"."clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "decisions" ADD CONSTRAINT "decisions_resource_id_resources_id_fk" FOREIGN KEY ("resource_id") REFERENCES "public"."resources"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "grant_connections" ADD CONSTRAINT "grant_connections_grant_id_grants_id_fk" FOREIGN KEY ("grant_id") REFERENCES "public"."grants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "grant_connections" ADD CONSTRAINT "grant_connections_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "grants" ADD CONSTRAINT "grants_subject_id_subjects_id_fk" FOREIGN KEY ("subject_id") REFERENCES "public"."subjects"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "grants" ADD CONSTRAINT "grants_client_id_clients_id_fk" FOREIGN KEY ("client_id") REFERENCES "public"."clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "grants" ADD CONSTRAINT "grants_resource_id_resources_id_fk" FOREIGN KEY ("resource_id") REFERENCES "public"."resources"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "grants" ADD CONSTRAINT "grants_parent_id_grants_id_fk" FOREIGN KEY ("parent_id") REFERENCES "public"."grants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "identities" ADD CONSTRAINT "identities_subject_id_subjects_id_fk" FOREIGN KEY ("subject_id") REFERENCES "public"."subjects"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "interactions" ADD CONSTRAINT "interactions_client_id_clients_id_fk" FOREIGN KEY ("client_id") REFERENCES "public"."clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "interactions" ADD CONSTRAINT "interactions_resource_id_resources_id_fk" FOREIGN KEY ("resource_id") REFERENCES "public"."resources"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "interactions" ADD CONSTRAINT "interactions_subject_id_subjects_id_fk" FOREIGN KEY ("subject_id") REFERENCES "public"."subjects"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "quota_counts" ADD CONSTRAINT "quota_counts_quota_id_quotas_id_fk" FOREIGN KEY ("quota_id") REFERENCES "public"."quotas"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "quotas" ADD CONSTRAINT "quotas_resource_id_resources_id_fk" FOREIGN KEY ("resource_id") REFERENCES "public"."resources"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refresh_leases" ADD CONSTRAINT "refresh_leases_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refresh_tokens" ADD CONSTRAINT "refresh_tokens_grant_id_grants_id_fk" FOREIGN KEY ("grant_id") REFERENCES "public"."grants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "resource_credentials" ADD CONSTRAINT "resource_credentials_resource_id_resources_id_fk" FOREIGN KEY ("resource_id") REFERENCES "public"."resources"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "roles" ADD CONSTRAINT "roles_resource_id_resources_id_fk" FOREIGN KEY ("resource_id") REFERENCES "public"."resources"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "step_ups" ADD CONSTRAINT "step_ups_subject_id_subjects_id_fk" FOREIGN KEY ("subject_id") REFERENCES "public"."subjects"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "step_ups" ADD CONSTRAINT "step_ups_client_id_clients_id_fk" FOREIGN KEY ("client_id") REFERENCES "public"."clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "step_ups" ADD CONSTRAINT "step_ups_resource_id_resources_id_fk" FOREIGN KEY ("resource_id") REFERENCES "public"."resources"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tools" ADD CONSTRAINT "tools_resource_id_resources_id_fk" FOREIGN KEY ("resource_id") REFERENCES "public"."resources"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "audit_events_event" ON "audit_events" USING btree ("event","id");--> statement-breakpoint
CREATE INDEX "audit_events_subject" ON "audit_events" USING btree ("subject_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "audit_events_chain" ON "audit_events" USING btree ("chain","seq");--> statement-breakpoint
CREATE INDEX "bindings_resource" ON "bindings" USING btree ("resource_id","subject_id");--> statement-breakpoint
CREATE INDEX "bindings_role" ON "bindings" USING btree ("role_id");--> statement-breakpoint
CREATE INDEX "bindings_subject" ON "bindings" USING btree ("subject_id");--> statement-breakpoint
CREATE INDEX "browser_sessions_subject" ON "browser_sessions" USING btree ("subject_id");--> statement-breakpoint
CREATE INDEX "browser_sessions_expires_at" ON "browser_sessions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "clients_expires_at" ON "clients" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "clients_unused" ON "clients" USING btree ("origin","invited","created_at") WHERE "clients"."last_used_at" is null;--> statement-breakpoint
CREATE INDEX "codes_expires_at" ON "codes" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "codes_grant" ON "codes" USING btree ("grant_id");--> statement-breakpoint
CREATE INDEX "connect_links_expires_at" ON "connect_links" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "connect_links_grant" ON "connect_links" USING btree ("grant_id");--> statement-breakpoint
CREATE INDEX "connections_subject" ON "connections" USING btree ("subject_id","provider");--> statement-breakpoint
CREATE INDEX "connections_provider" ON "connections" USING btree ("provider","status","id","refreshed_at","refresh_expires_at","authorized_at","upstream_client_id");--> statement-breakpoint
CREATE INDEX "connections_not_refreshable" ON "connections" USING btree ("access_expires_at","provider") WHERE "connections"."status" = 'live' and "connections"."sealed_refresh_token" is null;--> statement-breakpoint
CREATE INDEX "connections_upstream_account" ON "connections" USING btree ("issuer","upstream_subject");--> statement-breakpoint
CREATE INDEX "consents_client" ON "consents" USING btree ("client_id");--> statement-breakpoint
CREATE INDEX "consents_resource" ON "consents" USING btree ("resource_id");--> statement-breakpoint
CREATE INDEX "decisions_resource" ON "decisions" USING btree ("resource_id","id");--> statement-breakpoint
CREATE INDEX "decisions_subject" ON "decisions" USING btree ("subject_id","id");--> statement-breakpoint
CREATE INDEX "decisions_expires_at" ON "decisions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "grant_connections_connection" ON "grant_connections" USING btree ("connection_id");--> statement-breakpoint
CREATE UNIQUE INDEX "grants_tsid" ON "grants" USING btree ("tsid");--> statement-breakpoint
CREATE INDEX "grants_subject" ON "grants" USING btree ("subject_id","client_id","resource_id");--> statement-breakpoint
CREATE INDEX "grants_client" ON "grants" USING btree ("client_id");--> statement-breakpoint
CREATE INDEX "grants_resource" ON "grants" USING btree ("resource_id");--> statement-breakpoint
CREATE INDEX "grants_expires_at" ON "grants" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "grants_revoked_at" ON "grants" USING btree ("revoked_at") WHERE "grants"."revoked_at" is not null;--> statement-breakpoint
CREATE INDEX "grants_parent" ON "grants" USING btree ("parent_id","revoked_at","expires_at") WHERE "grants"."parent_id" is not null;--> statement-breakpoint
CREATE INDEX "identities_subject" ON "identities" USING btree ("subject_id");--> statement-breakpoint
CREATE UNIQUE INDEX "interactions_leg_state" ON "interactions" USING btree ("leg_state_hash");--> statement-breakpoint
CREATE INDEX "interactions_client" ON "interactions" USING btree ("client_id");--> statement-breakpoint
CREATE INDEX "interactions_resource" ON "interactions" USING btree ("resource_id");--> statement-breakpoint
CREATE INDEX "interactions_subject" ON "interactions" USING btree ("subject_id") WHERE "interactions"."subject_id" is not null;--> statement-breakpoint
CREATE INDEX "interactions_under_way" ON "interactions" USING btree ("expires_at","completed_at","client_id");--> statement-breakpoint
CREATE INDEX "quota_counts_quota" ON "quota_counts" USING btree ("quota_id");--> statement-breakpoint
CREATE INDEX "quota_counts_expires_at" ON "quota_counts" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "quotas_resource" ON "quotas" USING btree ("resource_id");--> statement-breakpoint
CREATE INDEX "rate_levels_changed_at" ON "rate_levels" USING btree ("changed_at");--> statement-breakpoint
CREATE INDEX "refresh_leases_sent_at" ON "refresh_leases" USING btree ("sent_at") WHERE "refresh_leases"."sent_at" is not null;--> statement-breakpoint
CREATE INDEX "refresh_tokens_expires_at" ON "refresh_tokens" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "refresh_tokens_grant" ON "refresh_tokens" USING btree ("grant_id");--> statement-breakpoint
CREATE INDEX "refresh_tokens_sealed_successor" ON "refresh_tokens" USING btree ("used_at") WHERE "refresh_tokens"."sealed_successor" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "registration_tokens_token_hash" ON "registration_tokens" USING btree ("token_hash");--> statement-breakpoint
CREATE INDEX "registration_tokens_expires_at" ON "registration_tokens" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "resource_credentials_resource" ON "resource_credentials" USING btree ("resource_id");--> statement-breakpoint
CREATE UNIQUE INDEX "resources_uri" ON "resources" USING btree ("uri");--> statement-breakpoint
CREATE UNIQUE INDEX "roles_name" ON "roles" USING btree ("resource_id","name");--> statement-breakpoint
CREATE INDEX "sign_in_places_at" ON "sign_in_places" USING btree ("at");--> statement-breakpoint
CREATE INDEX "step_ups_call" ON "step_ups" USING btree ("subject_id","client_id","resource_id","tool");--> statement-breakpoint
CREATE INDEX "step_ups_client" ON "step_ups" USING btree ("client_id");--> statement-breakpoint
CREATE INDEX "step_ups_resource" ON "step_ups" USING btree ("resource_id");--> statement-breakpoint
CREATE INDEX "step_ups_expires_at" ON "step_ups" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "upstream_revocations_next_at" ON "upstream_revocations" USING btree ("next_at");--> statement-breakpoint
CREATE INDEX "upstream_revocations_cause" ON "upstream_revocations" USING btree ("cause");--> statement-breakpoint
CREATE INDEX "used_assertions_expires_at" ON "used_assertions" USING btree ("expires_at");