//! The manual's page on credentials: which one to take, what each needs, and how to grant it the
//! permission. It holds no code.
//!
//! | the program runs | take | what must be kept secret |
//! | --- | --- | --- |
//! | on a virtual machine, App Service, Functions, Container Apps or an Arc server | [managed identity](#managed-identity) | nothing |
//! | in a cluster or a CI job | [workload identity](#workload-identity) | nothing |
//! | where something else vouches for it | [client assertion](#client-assertion) | nothing |
//! | on a server of your own | [client certificate](#client-certificate) | a private key |
//! | anywhere | [client secret](#client-secret) | a password, which expires |
//! | at your own desk | [Azure CLI](#azure-cli) or [device code](#device-code) | nothing; you sign in |
//! | with a token that came from elsewhere | [ready-made token](#ready-made-token) | the token, for an hour |
//!
//! The first five act as themselves, with *application* permissions. Who signs in acts with *delegated*
//! permissions: the app and the user both need the right, and the user sees only the devices that
//! are the user's to see. Any other source of tokens is [a few lines](crate::Credential).
//!
//! The variables below are those that [`Client::from_env`](crate::Client::from_env) reads, which takes
//! the first credential that they name completely, [in this
//! order](crate::ClientBuilder::from_env); the code does the same by hand. The example `whoami` says
//! which credential a program got, what its token allows, and what is missing.
//!
//! # Granting the permission
//!
//! All of it is done once, by an administrator, with `az` after `az login`. The permissions are those
//! of the API `WindowsDefenderATP`, which is in each tenant that has a licence for Defender for
//! Endpoint; [the table](crate#permissions) says which one an operation needs. These lines look up the
//! permission's id:
//!
//! ```sh
//! api=fc780465-2017-40d4-a0c5-307022471b92   # WindowsDefenderATP, the same in every tenant
//! az ad sp show --id "$api" --query displayName
//! role=$(az ad sp show --id "$api" --query "appRoles[?value=='Machine.Read.All'].id | [0]" --output tsv)
//! ```
//!
//! **To an app registration** (client secret, client certificate, workload identity, client assertion).
//! In the portal: *App registrations*, the app, *API permissions*, *Add a permission*, *APIs my
//! organization uses*, `WindowsDefenderATP`, *Application permissions*, and then *Grant admin consent*.
//! Or:
//!
//! ```sh
//! app=$(az ad app create --display-name asset-sync --query appId --output tsv)   # or one that is there
//! az ad sp create --id "$app"
//! az ad app permission add --id "$app" --api "$api" --api-permissions "$role=Role"
//! az ad app permission admin-consent --id "$app"
//! ```
//!
//! **To a managed identity.** The portal has no button for this: an identity has no app registration
//! whose permissions could be edited. The role is assigned to its service principal by a request
//! to Microsoft Graph:
//!
//! ```sh
//! identity=$(az vm identity show --resource-group rg --name vm --query principalId --output tsv)
//! # or: az webapp identity show, az functionapp identity show, az containerapp identity show,
//! #     az identity show (user-assigned), az connectedmachine show --query identity.principalId (Arc)
//! resource=$(az ad sp show --id "$api" --query id --output tsv)
//! az rest --method POST \
//!     --url "https://graph.microsoft.com/v1.0/servicePrincipals/$identity/appRoleAssignments" \
//!     --body "{\"principalId\":\"$identity\",\"resourceId\":\"$resource\",\"appRoleId\":\"$role\"}"
//! ```
//!
//! The platform keeps a managed identity's token for hours and hands it out again: a role that was
//! granted after the first try stays invisible until that token has expired.
//!
//! **To users** (device code). A delegated permission, a public client, and a role in Defender:
//!
//! ```sh
//! scope=$(az ad sp show --id "$api" --query "oauth2PermissionScopes[?value=='Machine.Read'].id | [0]" --output tsv)
//! az ad app permission add --id "$app" --api "$api" --api-permissions "$scope=Scope"
//! az ad app permission admin-consent --id "$app"
//! az ad app update --id "$app" --is-fallback-public-client true
//! ```
//!
//! The user's role is given in the Defender portal, under *Permissions*; it and the delegated
//! permission differ between machines and scans, as the table says.
//!
//! **In the government clouds** run `az cloud set --name AzureUSGovernment` before `az login` (GCC High
//! and DoD), and take `https://graph.microsoft.us` (GCC High) or
//! `https://dod-graph.microsoft.us` (DoD), and the audience `api://AzureADTokenExchangeUSGov`. The scope of the API is [not documented there](crate::Cloud::GCC).
//!
//! # Workload identity
//!
//! [`WorkloadIdentity`](crate::WorkloadIdentity): somebody whom the app registration trusts, a cluster
//! or a CI service, vouches for the program with a token in a file. Nothing is kept that could leak.
//!
//! | variable | |
//! | --- | --- |
//! | `AZURE_FEDERATED_TOKEN_FILE` | the file; read again at each renewal |
//! | `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` | the app registration, or the user-assigned identity |
//! | `AZURE_AUTHORITY_HOST` | the login authority |
//!
//! The webhook of Azure Workload Identity sets all four in a pod whose service account it knows.
//!
//! ```no_run
//! use defender_endpoint::{Client, Error, WorkloadIdentity};
//!
//! fn main() -> Result<(), Error> {
//!     let credential = WorkloadIdentity::new(
//!         "contoso.onmicrosoft.com",
//!         "11111111-2222-3333-4444-555555555555",
//!         "/var/run/secrets/azure/tokens/azure-identity-token",
//!     )?;
//!     let client = Client::builder(credential).build()?;
//!     println!("{} agents", client.scan_agents()?.len());
//!     Ok(())
//! }
//! ```
//!
//! The trust is a *federated credential* of the app registration, or of the user-assigned identity
//! (`az identity federated-credential create`). For a service account of a cluster:
//!
//! ```sh
//! issuer=$(az aks show --resource-group rg --name cluster --query oidcIssuerProfile.issuerUrl --output tsv)
//! az ad app federated-credential create --id "$app" --parameters "{\"name\": \"cluster\",
//!     \"issuer\": \"$issuer\", \"subject\": \"system:serviceaccount:NAMESPACE:NAME\",
//!     \"audiences\": [\"api://AzureADTokenExchange\"]}"
//! ```
//!
//! For a branch at GitHub the issuer is `https://token.actions.githubusercontent.com` and the subject
//! `repo:OWNER/NAME:ref:refs/heads/BRANCH`. A job there has no such file but an address to ask (with the
//! permission `id-token: write`), so a step before the program writes the file. What it holds is good
//! for some minutes, which is enough to begin with; a program that runs for longer than an hour asks
//! for itself, with a [client assertion](#client-assertion).
//!
//! ```sh
//! umask 077
//! curl --fail --silent --show-error --header "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
//!     "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=api://AzureADTokenExchange" |
//!     jq --exit-status --raw-output .value >"$RUNNER_TEMP/token"
//! # AZURE_TENANT_ID and AZURE_CLIENT_ID are set too
//! AZURE_FEDERATED_TOKEN_FILE=$RUNNER_TEMP/token ./asset-sync
//! ```
//!
//! # Client assertion
//!
//! [`ClientAssertion`](crate::ClientAssertion): the same trust, with a token that a function of yours
//! gets whenever one is needed. It reads no variables. Here a managed identity vouches for an app of
//! another tenant, which has a federated credential for it:
//!
//! ```no_run
//! use defender_endpoint::{Client, ClientAssertion, Credential, Error, ManagedIdentity};
//!
//! fn main() -> Result<(), Error> {
//!     let identity = ManagedIdentity::system_assigned()?;
//!     let credential = ClientAssertion::new(
//!         "contoso.onmicrosoft.com",
//!         "11111111-2222-3333-4444-555555555555",
//!         move |request| {
//!             let request = request.with_scope("api://AzureADTokenExchange/.default");
//!             Ok(identity.token(&request)?.secret().clone())
//!         },
//!     )?;
//!     let client = Client::builder(credential).build()?;
//!     println!("{} agents", client.scan_agents()?.len());
//!     Ok(())
//! }
//! ```
//!
//! # Client certificate
//!
//! `ClientCertificate`, with the feature `certificate`: the app proves that it has a private key, which
//! never leaves the machine. A PEM file holds the certificate and its key, unencrypted, so only the
//! program's user may read it. RSA, of 2,048, 3,072 or 4,096 bits.
//!
//! | variable | |
//! | --- | --- |
//! | `AZURE_CLIENT_CERTIFICATE_PATH` | the PEM file |
//! | `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` | the app registration |
//! | `AZURE_AUTHORITY_HOST` | the login authority |
//!
#![cfg_attr(feature = "certificate", doc = "```no_run")]
#![cfg_attr(not(feature = "certificate"), doc = "```ignore")]
//! use defender_endpoint::{Client, ClientCertificate, Error};
//!
//! fn main() -> Result<(), Error> {
//!     let credential = ClientCertificate::from_file(
//!         "contoso.onmicrosoft.com",
//!         "11111111-2222-3333-4444-555555555555",
//!         "/etc/asset-sync/app.pem",
//!     )?;
//!     let client = Client::builder(credential).build()?;
//!     println!("{} agents", client.scan_agents()?.len());
//!     Ok(())
//! }
//! ```
//!
//! ```sh
//! openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=asset-sync -keyout key.pem -out cert.pem
//! az ad app credential reset --id "$app" --append --cert @cert.pem
//! (umask 077; cat key.pem cert.pem >app.pem) && rm key.pem
//! ```
//!
//! # Client secret
//!
//! [`ClientSecret`](crate::ClientSecret): a password that Entra made for the app.
//!
//! | variable | |
//! | --- | --- |
//! | `AZURE_CLIENT_SECRET` | the secret's value, not its id |
//! | `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` | the app registration |
//! | `AZURE_AUTHORITY_HOST` | the login authority |
//!
//! ```no_run
//! use defender_endpoint::{Client, ClientSecret, Error};
//!
//! fn main() -> Result<(), Error> {
//!     let credential = ClientSecret::new(
//!         "contoso.onmicrosoft.com",
//!         "11111111-2222-3333-4444-555555555555",
//!         std::env::var("ASSET_SYNC_SECRET").unwrap_or_default(),
//!     )?;
//!     let client = Client::builder(credential).build()?;
//!     println!("{} agents", client.scan_agents()?.len());
//!     Ok(())
//! }
//! ```
//!
//! ```sh
//! az ad app credential reset --id "$app" --append --query password --output tsv   # shown once
//! ```
//!
//! # Managed identity
//!
//! [`ManagedIdentity`](crate::ManagedIdentity): the platform vouches for what runs on it. Nothing to
//! configure where there is one identity; of several user-assigned ones one has to be named
//! (`ManagedIdentity::by_client_id`, `by_object_id`, `by_resource_id`).
//!
//! | variable | |
//! | --- | --- |
//! | `IDENTITY_ENDPOINT`, `IDENTITY_HEADER` | set by App Service, Functions and Container Apps |
//! | `IDENTITY_ENDPOINT`, `IMDS_ENDPOINT` | set by Azure Arc, in some programs' environments |
//! | `AZURE_TOKEN_CREDENTIALS` | `ManagedIdentityCredential` makes `from_env` ask without these: the agent of Arc, or the metadata service of a virtual machine |
//! | `AZURE_CLIENT_ID` | the client id of a user-assigned identity |
//!
//! ```no_run
//! use defender_endpoint::{Client, Error, ManagedIdentity};
//!
//! fn main() -> Result<(), Error> {
//!     let client = Client::builder(ManagedIdentity::system_assigned()?).build()?;
//!     for machine in client.machines() {
//!         println!("{}", machine?.id);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Azure CLI
//!
//! [`AzureCli`](crate::AzureCli): you, as `az login` knows you. For trying things out; a service wants
//! an identity of its own.
//!
//! | variable | |
//! | --- | --- |
//! | `AZURE_TOKEN_CREDENTIALS` | `AzureCliCredential` makes `from_env` start `az` |
//! | `AZURE_TENANT_ID` | the tenant, if not the one that `az` is in |
//!
//! ```no_run
//! use defender_endpoint::{AzureCli, Client, Error};
//!
//! fn main() -> Result<(), Error> {
//!     let client = Client::builder(AzureCli::new()).build()?;
//!     for machine in client.machines().top(10) {
//!         println!("{}", machine?.id);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! The token is one of the Azure CLI's own app, to which no grant of yours applies. Whether Entra gives
//! it one for this API is not documented, and nobody has confirmed it for this crate; where it
//! refuses, an app registration of yours and a device code are the way.
//!
//! # Device code
//!
//! [`DeviceCode`](crate::DeviceCode): the program shows a code, and you sign in with it in a browser,
//! on any device. Until the sign-in expires, renewals ask nobody. It reads no variables.
//!
//! ```no_run
//! use defender_endpoint::{Client, DeviceCode, Error};
//!
//! fn main() -> Result<(), Error> {
//!     let credential = DeviceCode::new(
//!         "contoso.onmicrosoft.com",
//!         "11111111-2222-3333-4444-555555555555",
//!         |prompt| eprintln!("{prompt}"),
//!     )?;
//!     let client = Client::builder(credential).build()?;
//!     for machine in client.machines().top(10) {
//!         println!("{}", machine?.id);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Ready-made token
//!
//! [`StaticToken`](crate::StaticToken): for a script that was handed one. It can't be renewed.
//!
//! ```no_run
//! use defender_endpoint::{Client, Error, StaticToken};
//!
//! fn main() -> Result<(), Error> {
//!     let token = std::env::var("DEFENDER_TOKEN").unwrap_or_default();
//!     let client = Client::builder(StaticToken::new(token)?).build()?;
//!     println!("{} agents", client.scan_agents()?.len());
//!     Ok(())
//! }
//! ```
//!
//! ```sh
//! export DEFENDER_TOKEN=$(az account get-access-token --query accessToken --output tsv \
//!     --scope https://api.securitycenter.microsoft.com/.default)
//! ```
