CREATE TABLE `administrators` (
	`name` text PRIMARY KEY NOT NULL,
	`role` text NOT NULL,
	`password_hash` text NOT NULL,
	`enabled` integer NOT NULL,
	`created_at` integer NOT NULL,
	`last_seen_at` integer
);
--> statement-breakpoint
CREATE TABLE `applications` (
	`resource_id` text PRIMARY KEY NOT NULL,
	`published_at` integer,
	`changed_at` integer,
	`probes` text,
	`probed_at` integer,
	`probe_due_at` integer,
	`activated_at` integer,
	`activated_by` text,
	FOREIGN KEY (`resource_id`) REFERENCES `resources`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `audit_cuts` (
	`chain` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`mac` text NOT NULL,
	`at` integer NOT NULL,
	`proof` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `audit_events` (
	`id` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`event` text NOT NULL,
	`actor` text NOT NULL,
	`outcome` text NOT NULL,
	`subject_id` text,
	`client_id` text,
	`resource_id` text,
	`provider` text,
	`tsid_hash` text,
	`detail` text NOT NULL,
	`chain` text NOT NULL,
	`seq` integer NOT NULL,
	`mac` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_events_event` ON `audit_events` (`event`,`id`);--> statement-breakpoint
CREATE INDEX `audit_events_subject` ON `audit_events` (`subject_id`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `audit_events_chain` ON `audit_events` (`chain`,`seq`);--> statement-breakpoint
CREATE TABLE `audit_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`sealed_key` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `bindings` (
	`id` text PRIMARY KEY NOT NULL,
	`resource_id` text NOT NULL,
	`role_id` text NOT NULL,
	`holder` text NOT NULL,
	`subject_id` text,
	`group_provider` text,
	`group_name` text,
	`conditions` text NOT NULL,
	`expires_at` integer,
	`created_at` integer NOT NULL,
	`created_by` text NOT NULL,
	FOREIGN KEY (`resource_id`) REFERENCES `resources`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`role_id`) REFERENCES `roles`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`subject_id`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `bindings_resource` ON `bindings` (`resource_id`,`subject_id`);--> statement-breakpoint
CREATE INDEX `bindings_role` ON `bindings` (`role_id`);--> statement-breakpoint
CREATE INDEX `bindings_subject` ON `bindings` (`subject_id`);--> statement-breakpoint
CREATE TABLE `browser_sessions` (
	`secret_hash` text PRIMARY KEY NOT NULL,
	`subject_id` text NOT NULL,
	`sign_ins` text NOT NULL,
	`created_at` integer NOT NULL,
	`last_seen_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	FOREIGN KEY (`subject_id`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `browser_sessions_subject` ON `browser_sessions` (`subject_id`);--> statement-breakpoint
CREATE INDEX `browser_sessions_expires_at` ON `browser_sessions` (`expires_at`);--> statement-breakpoint
CREATE TABLE `chores` (
	`name` text PRIMARY KEY NOT NULL,
	`fence` integer NOT NULL,
	`beats` integer NOT NULL,
	`holder` text,
	`done_at` integer
);
--> statement-breakpoint
CREATE TABLE `clients` (
	`id` text PRIMARY KEY NOT NULL,
	`origin` text NOT NULL,
	`metadata` text NOT NULL,
	`secret_hash` text,
	`registration_token_hash` text,
	`trusted` integer NOT NULL,
	`enabled` integer NOT NULL,
	`invited` integer NOT NULL,
	`created_at` integer NOT NULL,
	`last_used_at` integer,
	`fresh_until` integer,
	`expires_at` integer
);
--> statement-breakpoint
CREATE INDEX `clients_expires_at` ON `clients` (`expires_at`);--> statement-breakpoint
CREATE INDEX `clients_unused` ON `clients` (`origin`,`invited`,`created_at`) WHERE "clients"."last_used_at" is null;--> statement-breakpoint
CREATE TABLE `codes` (
	`code_hash` text PRIMARY KEY NOT NULL,
	`grant_id` text NOT NULL,
	`redirect_uri` text NOT NULL,
	`code_challenge` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer,
	FOREIGN KEY (`grant_id`) REFERENCES `grants`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `codes_expires_at` ON `codes` (`expires_at`);--> statement-breakpoint
CREATE INDEX `codes_grant` ON `codes` (`grant_id`);--> statement-breakpoint
CREATE TABLE `connect_links` (
	`ticket_hash` text PRIMARY KEY NOT NULL,
	`grant_id` text NOT NULL,
	`provider` text NOT NULL,
	`scopes` text NOT NULL,
	`account_id` text,
	`status` text NOT NULL,
	`reason` text,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	FOREIGN KEY (`grant_id`) REFERENCES `grants`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `connect_links_expires_at` ON `connect_links` (`expires_at`);--> statement-breakpoint
CREATE INDEX `connect_links_grant` ON `connect_links` (`grant_id`);--> statement-breakpoint
CREATE TABLE `connections` (
	`id` text PRIMARY KEY NOT NULL,
	`subject_id` text NOT NULL,
	`provider` text NOT NULL,
	`issuer` text NOT NULL,
	`upstream_subject` text NOT NULL,
	`account_id` text NOT NULL,
	`account_label` text NOT NULL,
	`scopes` text NOT NULL,
	`token_endpoint` text NOT NULL,
	`upstream_client_id` text NOT NULL,
	`sealed_access_token` text NOT NULL,
	`sealed_refresh_token` text,
	`token_type` text NOT NULL,
	`access_expires_at` integer,
	`access_lifetime` integer,
	`refresh_expires_at` integer,
	`status` text NOT NULL,
	`status_reason` text,
	`status_since` integer NOT NULL,
	`created_at` integer NOT NULL,
	`authorized_at` integer NOT NULL,
	`refreshed_at` integer NOT NULL,
	`sites` text,
	`last_used_at` integer,
	`last_used_by` text,
	`version` integer NOT NULL,
	FOREIGN KEY (`subject_id`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `connections_subject` ON `connections` (`subject_id`,`provider`);--> statement-breakpoint
CREATE INDEX `connections_provider` ON `connections` (`provider`,`status`,`id`,`refreshed_at`,`refresh_expires_at`,`authorized_at`,`upstream_client_id`);--> statement-breakpoint
CREATE INDEX `connections_not_refreshable` ON `connections` (`access_expires_at`,`provider`) WHERE "connections"."status" = 'live' and "connections"."sealed_refresh_token" is null;--> statement-breakpoint
CREATE INDEX `connections_upstream_account` ON `connections` (`issuer`,`upstream_subject`);--> statement-breakpoint
CREATE TABLE `consents` (
	`subject_id` text NOT NULL,
	`client_id` text NOT NULL,
	`redirect_uri` text NOT NULL,
	`resource_id` text NOT NULL,
	`scopes` text NOT NULL,
	`provider_scopes` text NOT NULL,
	`shown_hash` text NOT NULL,
	`granted_at` integer NOT NULL,
	PRIMARY KEY(`subject_id`, `client_id`, `redirect_uri`, `resource_id`),
	FOREIGN KEY (`subject_id`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`client_id`) REFERENCES `clients`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `consents_client` ON `consents` (`client_id`);--> statement-breakpoint
CREATE INDEX `consents_resource` ON `consents` (`resource_id`);--> statement-breakpoint
CREATE TABLE `decisions` (
	`id` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`resource_id` text NOT NULL,
	`subject_id` text NOT NULL,
	`client_id` text NOT NULL,
	`tool` text NOT NULL,
	`allowed` integer NOT NULL,
	`code` text,
	`detail` text NOT NULL,
	`expires_at` integer NOT NULL,
	FOREIGN KEY (`resource_id`) REFERENCES `resources`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `decisions_resource` ON `decisions` (`resource_id`,`id`);--> statement-breakpoint
CREATE INDEX `decisions_subject` ON `decisions` (`subject_id`,`id`);--> statement-breakpoint
CREATE INDEX `decisions_expires_at` ON `decisions` (`expires_at`);--> statement-breakpoint
CREATE TABLE `grant_connections` (
	`grant_id` text NOT NULL,
	`connection_id` text NOT NULL,
	`provider` text NOT NULL,
	`site_id` text,
	PRIMARY KEY(`grant_id`, `connection_id`),
	FOREIGN KEY (`grant_id`) REFERENCES `grants`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`connection_id`) REFERENCES `connections`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `grant_connections_connection` ON `grant_connections` (`connection_id`);--> statement-breakpoint
CREATE TABLE `grants` (
	`id` text PRIMARY KEY NOT NULL,
	`tsid` text NOT NULL,
	`subject_id` text NOT NULL,
	`client_id` text NOT NULL,
	`resource_id` text,
	`audience` text NOT NULL,
	`scopes` text NOT NULL,
	`auth_time` integer NOT NULL,
	`acr` text,
	`created_at` integer NOT NULL,
	`last_used_at` integer NOT NULL,
	`access_ends_at` integer,
	`expires_at` integer NOT NULL,
	`absolute_ends_at` integer NOT NULL,
	`revoked_at` integer,
	`revoked_reason` text,
	`parent_id` text,
	FOREIGN KEY (`subject_id`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`client_id`) REFERENCES `clients`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`resource_id`) REFERENCES `resources`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`parent_id`) REFERENCES `grants`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `grants_tsid` ON `grants` (`tsid`);--> statement-breakpoint
CREATE INDEX `grants_subject` ON `grants` (`subject_id`,`client_id`,`resource_id`);--> statement-breakpoint
CREATE INDEX `grants_client` ON `grants` (`client_id`);--> statement-breakpoint
CREATE INDEX `grants_resource` ON `grants` (`resource_id`);--> statement-breakpoint
CREATE INDEX `grants_expires_at` ON `grants` (`expires_at`);--> statement-breakpoint
CREATE INDEX `grants_revoked_at` ON `grants` (`revoked_at`) WHERE "grants"."revoked_at" is not null;--> statement-breakpoint
CREATE INDEX `grants_parent` ON `grants` (`parent_id`,`revoked_at`,`expires_at`) WHERE "grants"."parent_id" is not null;--> statement-breakpoint
CREATE TABLE `identities` (
	`provider` text NOT NULL,
	`issuer` text NOT NULL,
	`upstream_subject` text NOT NULL,
	`subject_id` text NOT NULL,
	`label` text NOT NULL,
	`email` text,
	`email_verified` integer NOT NULL,
	`groups` text NOT NULL,
	`created_at` integer NOT NULL,
	`last_sign_in_at` integer NOT NULL,
	PRIMARY KEY(`provider`, `issuer`, `upstream_subject`),
	FOREIGN KEY (`subject_id`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `identities_subject` ON `identities` (`subject_id`);--> statement-breakpoint
CREATE TABLE `interactions` (
	`id` text PRIMARY KEY NOT NULL,
	`browser_hash` text NOT NULL,
	`client_id` text,
	`resource_id` text,
	`request` text NOT NULL,
	`sign_in_provider` text,
	`subject_id` text,
	`auth_time` integer,
	`acr` text,
	`switches_account` integer NOT NULL,
	`consent` text,
	`connected` text NOT NULL,
	`picked_sites` text NOT NULL,
	`leg` text,
	`leg_state_hash` text,
	`sealed_leg_secrets` text,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`completed_at` integer,
	`version` integer NOT NULL,
	FOREIGN KEY (`client_id`) REFERENCES `clients`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`resource_id`) REFERENCES `resources`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`subject_id`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `interactions_leg_state` ON `interactions` (`leg_state_hash`);--> statement-breakpoint
CREATE INDEX `interactions_client` ON `interactions` (`client_id`);--> statement-breakpoint
CREATE INDEX `interactions_resource` ON `interactions` (`resource_id`);--> statement-breakpoint
CREATE INDEX `interactions_subject` ON `interactions` (`subject_id`) WHERE "interactions"."subject_id" is not null;--> statement-breakpoint
CREATE INDEX `interactions_under_way` ON `interactions` (`expires_at`,`completed_at`,`client_id`);--> statement-breakpoint
CREATE TABLE `key_checks` (
	`master_key_id` text PRIMARY KEY NOT NULL,
	`sealed_check` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `providers` (
	`id` text PRIMARY KEY NOT NULL,
	`document` text NOT NULL,
	`client_id` text NOT NULL,
	`sealed_client_secret` text,
	`origin` text NOT NULL,
	`enabled` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`version` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `quota_counts` (
	`id` text PRIMARY KEY NOT NULL,
	`quota_id` text NOT NULL,
	`used` integer NOT NULL,
	`expires_at` integer NOT NULL,
	FOREIGN KEY (`quota_id`) REFERENCES `quotas`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `quota_counts_quota` ON `quota_counts` (`quota_id`);--> statement-breakpoint
CREATE INDEX `quota_counts_expires_at` ON `quota_counts` (`expires_at`);--> statement-breakpoint
CREATE TABLE `quotas` (
	`id` text PRIMARY KEY NOT NULL,
	`resource_id` text NOT NULL,
	`document` text NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`resource_id`) REFERENCES `resources`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `quotas_resource` ON `quotas` (`resource_id`);--> statement-breakpoint
CREATE TABLE `rate_levels` (
	`key_hash` text PRIMARY KEY NOT NULL,
	`rate` text NOT NULL,
	`full_at_micros` integer NOT NULL,
	`taken_micros` integer NOT NULL,
	`changed_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `rate_levels_changed_at` ON `rate_levels` (`changed_at`);--> statement-breakpoint
CREATE TABLE `refresh_leases` (
	`connection_id` text PRIMARY KEY NOT NULL,
	`fence` integer NOT NULL,
	`holder` text NOT NULL,
	`expires_at` integer NOT NULL,
	`version` integer NOT NULL,
	`sent_at` integer,
	`attempts` integer NOT NULL,
	`sealed_answer` text,
	`answered_at` integer,
	`rest_until` integer,
	`rest_reason` text,
	`bought_version` integer,
	FOREIGN KEY (`connection_id`) REFERENCES `connections`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `refresh_leases_sent_at` ON `refresh_leases` (`sent_at`) WHERE "refresh_leases"."sent_at" is not null;--> statement-breakpoint
CREATE TABLE `refresh_tokens` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`grant_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer,
	`successor_hash` text,
	`sealed_successor` text,
	FOREIGN KEY (`grant_id`) REFERENCES `grants`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `refresh_tokens_expires_at` ON `refresh_tokens` (`expires_at`);--> statement-breakpoint
CREATE INDEX `refresh_tokens_grant` ON `refresh_tokens` (`grant_id`);--> statement-breakpoint
CREATE INDEX `refresh_tokens_sealed_successor` ON `refresh_tokens` (`used_at`) WHERE "refresh_tokens"."sealed_successor" is not null;--> statement-breakpoint
CREATE TABLE `registration_tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`token_hash` text NOT NULL,
	`uses_left` integer NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `registration_tokens_token_hash` ON `registration_tokens` (`token_hash`);--> statement-breakpoint
CREATE INDEX `registration_tokens_expires_at` ON `registration_tokens` (`expires_at`);--> statement-breakpoint
CREATE TABLE `reseals` (
	`id` text PRIMARY KEY NOT NULL,
	`master_key_id` text NOT NULL,
	`requested_by` text NOT NULL,
	`requested_at` integer NOT NULL,
	`resealed` integer NOT NULL,
	`unopened` integer NOT NULL,
	`finished_at` integer
);
--> statement-breakpoint
CREATE TABLE `resource_credentials` (
	`id` text PRIMARY KEY NOT NULL,
	`resource_id` text NOT NULL,
	`secret_hash` text,
	`key_set` text,
	`key_set_uri` text,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`resource_id`) REFERENCES `resources`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `resource_credentials_resource` ON `resource_credentials` (`resource_id`);--> statement-breakpoint
CREATE TABLE `resources` (
	`id` text PRIMARY KEY NOT NULL,
	`uri` text NOT NULL,
	`document` text NOT NULL,
	`origin` text NOT NULL,
	`enabled` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `resources_uri` ON `resources` (`uri`);--> statement-breakpoint
CREATE TABLE `roles` (
	`id` text PRIMARY KEY NOT NULL,
	`resource_id` text NOT NULL,
	`name` text NOT NULL,
	`document` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	FOREIGN KEY (`resource_id`) REFERENCES `resources`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `roles_name` ON `roles` (`resource_id`,`name`);--> statement-breakpoint
CREATE TABLE `sign_in_places` (
	`address_hash` text PRIMARY KEY NOT NULL,
	`subject_hash` text NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `sign_in_places_at` ON `sign_in_places` (`at`);--> statement-breakpoint
CREATE TABLE `signing_keys` (
	`kid` text PRIMARY KEY NOT NULL,
	`public_jwk` text NOT NULL,
	`sealed_private_jwk` text NOT NULL,
	`created_at` integer NOT NULL,
	`active_at` integer NOT NULL,
	`retires_at` integer
);
--> statement-breakpoint
CREATE TABLE `step_ups` (
	`id` text PRIMARY KEY NOT NULL,
	`subject_id` text NOT NULL,
	`client_id` text NOT NULL,
	`resource_id` text NOT NULL,
	`tool` text NOT NULL,
	`arguments_hash` text NOT NULL,
	`rule` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`auth_time` integer,
	`used_at` integer,
	FOREIGN KEY (`subject_id`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`client_id`) REFERENCES `clients`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`resource_id`) REFERENCES `resources`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `step_ups_call` ON `step_ups` (`subject_id`,`client_id`,`resource_id`,`tool`);--> statement-breakpoint
CREATE INDEX `step_ups_client` ON `step_ups` (`client_id`);--> statement-breakpoint
CREATE INDEX `step_ups_resource` ON `step_ups` (`resource_id`);--> statement-breakpoint
CREATE INDEX `step_ups_expires_at` ON `step_ups` (`expires_at`);--> statement-breakpoint
CREATE TABLE `subjects` (
	`id` text PRIMARY KEY NOT NULL,
	`enabled` integer NOT NULL,
	`created_at` integer NOT NULL,
	`last_seen_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `tools` (
	`resource_id` text NOT NULL,
	`name` text NOT NULL,
	`published` text NOT NULL,
	`published_hash` text NOT NULL,
	`is_published` integer NOT NULL,
	`rule` text,
	`reviewed_hash` text,
	`reviewed` text,
	`reviewed_at` integer,
	`reviewed_by` text,
	`created_at` integer NOT NULL,
	`changed_at` integer NOT NULL,
	PRIMARY KEY(`resource_id`, `name`),
	FOREIGN KEY (`resource_id`) REFERENCES `resources`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `upstream_revocations` (
	`id` text PRIMARY KEY NOT NULL,
	`cause` text NOT NULL,
	`extent` text NOT NULL,
	`subject_id` text,
	`provider` text NOT NULL,
	`issuer` text,
	`upstream_subject` text,
	`token_endpoint` text NOT NULL,
	`upstream_client_id` text NOT NULL,
	`document` text,
	`sealed_client_secret` text,
	`connection_id` text,
	`sealed_access_token` text NOT NULL,
	`sealed_refresh_token` text,
	`sealed_answer` text,
	`attempts` integer NOT NULL,
	`trouble` text,
	`next_at` integer NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `upstream_revocations_next_at` ON `upstream_revocations` (`next_at`);--> statement-breakpoint
CREATE INDEX `upstream_revocations_cause` ON `upstream_revocations` (`cause`);--> statement-breakpoint
CREATE TABLE `used_assertions` (
	`assertion_hash` text PRIMARY KEY NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `used_assertions_expires_at` ON `used_assertions` (`expires_at`);