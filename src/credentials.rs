//! The manual's page on credentials: which one to take, and what each needs. The page
//! [setup](crate::setup) has what comes before. It holds no code.
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
//! The commands below are for bash, with `$AZURE_CLIENT_ID` set. How an app comes to be, and how it or an
//! identity is granted its permission, is on the page [setup](crate::setup).
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
//! az ad app federated-credential create --id "${AZURE_CLIENT_ID:?}" --parameters "{\"name\": \"cluster\",
//!     \"issuer\": \"$issuer\", \"subject\": \"system:serviceaccount:NAMESPACE:NAME\",
//!     \"audiences\": [\"api://AzureADTokenExchange\"]}"
//! ```
//!
//! In GCC High the audience is `api://AzureADTokenExchangeUSGov`.
//!
//! ## GitHub Actions
//!
//! For a branch; the subject of an environment is `repo:OWNER/NAME:environment:NAME`, that of pull requests
//! `repo:OWNER/NAME:pull_request`:
//!
//! ```sh
//! az ad app federated-credential create --id "${AZURE_CLIENT_ID:?}" --parameters "{\"name\": \"github\",
//!     \"issuer\": \"https://token.actions.githubusercontent.com\",
//!     \"subject\": \"repo:OWNER/NAME:ref:refs/heads/BRANCH\",
//!     \"audiences\": [\"api://AzureADTokenExchange\"]}"
//! ```
//!
//! A job with `permissions: id-token: write` then needs no file and no step more: `from_env` takes the
//! variables that GitHub sets there, `ACTIONS_ID_TOKEN_REQUEST_URL` and
//! `ACTIONS_ID_TOKEN_REQUEST_TOKEN`, with `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`; by hand it is
//! [`ClientAssertion::github_actions`](crate::ClientAssertion::github_actions).
//!
//! ```yaml
//! permissions:
//!   id-token: write
//!   contents: read      # to name one permission takes all others away, this one of the checkout too
//! env:
//!   AZURE_TENANT_ID: ${{ vars.AZURE_TENANT_ID }}   # not secret; blank, which counts as missing, in a fork
//!   AZURE_CLIENT_ID: ${{ vars.AZURE_CLIENT_ID }}
//!   AZURE_TOKEN_CREDENTIALS: WorkloadIdentityCredential   # a secret that was left behind doesn't go before it
//! jobs:
//!   list:
//!     runs-on: ubuntu-latest
//!     steps:
//!       - uses: actions/checkout@v4
//!       - run: cargo run --release
//! ```
//!
//! A pull request from a fork gets no such token. A program that is to do without one there asks for
//! [`ErrorKind::NoCredential`](crate::ErrorKind::NoCredential), which leaves `AZURE_TOKEN_CREDENTIALS` out of its
//! workflow, or sets it for the step alone.
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
//! az ad app credential reset --id "${AZURE_CLIENT_ID:?}" --append --cert @cert.pem
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
//! [Setup](crate::setup#one-paste-with-az) has how it is made, how long it lasts, and how another one
//! takes its place.
//!
//! # Managed identity
//!
//! [`ManagedIdentity`](crate::ManagedIdentity): the platform vouches for what runs on it. Nothing to
//! configure where there is one identity; of several user-assigned ones one has to be named
//! (`ManagedIdentity::by_client_id`, `by_object_id`, `by_resource_id`). Its permission [is granted with a
//! command](crate::setup#granting-to-what-is-there).
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
//! refuses, an app registration of yours and a device code are [the way](crate::setup#as-yourself).
//!
//! # Device code
//!
//! [`DeviceCode`](crate::DeviceCode): the program shows a code, and you sign in with it in a browser,
//! on any device. Until the sign-in expires, renewals ask nobody. It reads no variables. [What the app
//! and you need](crate::setup#as-yourself), and `whoami --device-code` tries it.
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
