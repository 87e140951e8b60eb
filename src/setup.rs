//! The manual's page on setting up: from a tenant in which nothing is prepared to the first list. It
//! holds no code.
//!
//! * [What you need first](#what-you-need-first)
//! * [One paste with az](#one-paste-with-az), or [the same in the portal](#the-same-in-the-portal)
//! * [Without a secret](#without-a-secret): managed identity, cluster, CI job
//! * [Granting to what is there](#granting-to-what-is-there): another permission, a managed identity
//! * [As yourself](#as-yourself), with a device code
//! * [One app, many tenants](#one-app-many-tenants)
//! * [Government clouds](#government-clouds)
//! * [The check](#the-check)
//! * [What a refusal means](#what-a-refusal-means)
//!
//! # What you need first
//!
//! * A tenant with a licence for Microsoft Defender for Endpoint, in which Defender was set up: an
//!   administrator has opened its portal, <https://security.microsoft.com> (of GCC High and DoD
//!   <https://security.microsoft.us>), once.
//! * An administrator with one of the roles *Cloud Application Administrator*, *Application
//!   Administrator*, *Privileged Role Administrator* or *Global Administrator*, who runs one of the two
//!   ways below («Grant tenant-wide admin consent to an application»).
//! * The name of the permission. **To list machines from a script it is the application permission
//!   `Machine.Read.All`, and nothing else**; the same one reads scans. For anything else [the
//!   table](crate#permissions) says it.
//!
//! | word | what it is |
//! | --- | --- |
//! | tenant | your organisation's directory in Microsoft Entra, known by an id or by a domain |
//! | app registration | your program as Entra knows it: an id (*client id*), and how it proves itself |
//! | service principal | the app's account in one tenant, which is what permissions are granted to; the portal calls it *enterprise application* |
//! | application permission | the program acts as itself, with nobody signed in |
//! | delegated permission | the program acts for a user, and may do no more than both of them |
//! | consent | an administrator's yes to a permission; without one the service answers 403 |
//!
//! # One paste with az
//!
//! In bash, with the [Azure CLI](https://learn.microsoft.com/cli/azure/install-azure-cli); where the
//! shell is another, as on a Mac, type `bash` first. Azure Cloud Shell does as well (choose Bash), and is
//! the way where there is only Windows; Git Bash and WSL with the `az` of Windows weren't tried, but the
//! blocks take away what its lines end in. This line comes first and alone, since a browser opens. It
//! names your tenant: without, it is the subscription that `az` chooses or asks for which decides whose
//! directory is changed, in Cloud Shell too. None is needed.
//!
//! ```sh
//! az login --tenant contoso.onmicrosoft.com --allow-no-subscriptions --output none
//! ```
//!
//! Then all of these at once. The first three can be changed: the app's name, which must be a new one,
//! the permission, and `secret=no` for an app that [proves itself otherwise](#without-a-secret). The id
//! of the tenant that they will change is shown first, with 5 seconds to press Ctrl+C.
//!
//! ```sh
//! (
//! set -euo pipefail
//! name=asset-sync
//! permission=Machine.Read.All
//! secret=yes
//! api=fc780465-2017-40d4-a0c5-307022471b92
//!
//! az() { command az "$@" | tr -d '\r'; } # of Windows, whose lines end in CR too
//! tenant=$(az account show --query tenantId --output tsv)
//! echo "tenant $tenant"
//! sleep 5
//! taken=$(az ad app list --filter "displayName eq '$name'" --query "[0].appId" --output tsv)
//! if [ -n "$taken" ]; then echo "there is an app $name already: $taken" >&2; exit 1; fi
//! graph=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv)
//! resource=$(az ad sp show --id "$api" --query id --output tsv)
//! role=$(az ad sp show --id "$api" --query "appRoles[?value=='$permission'].id | [0]" --output tsv)
//! echo "WindowsDefenderATP is $resource, $permission is ${role:?no such application permission}"
//!
//! app=$(az ad app create --display-name "$name" --query appId --output tsv)
//! echo "the app is $app"
//! identity=$(az ad sp create --id "$app" --query id --output tsv)
//! az ad app permission add --id "$app" --api "$api" --api-permissions "$role=Role" --only-show-errors
//! for pause in 5 10 20 30 0; do
//!     az rest --method POST --url "${graph%/}/v1.0/servicePrincipals/$identity/appRoleAssignments" \
//!         --body "{\"principalId\":\"$identity\",\"resourceId\":\"$resource\",\"appRoleId\":\"$role\"}" \
//!         --output none && break
//!     [ "$pause" -gt 0 ] || exit 1
//!     sleep "$pause"
//! done
//! echo "$permission is granted"
//!
//! echo
//! case $graph in *microsoft.us*) echo "export DEFENDER_CLOUD=gcc-high" ;; esac
//! echo "export AZURE_TENANT_ID=$tenant"
//! echo "export AZURE_CLIENT_ID=$app"
//! [ "$secret" = yes ] || exit 0
//! password=$(az ad app credential reset --id "$app" --append --years 1 --only-show-errors \
//!     --query password --output tsv)
//! echo "export AZURE_CLIENT_SECRET='$password'"
//! )
//! ```
//!
//! | it prints | |
//! | --- | --- |
//! | `tenant …` | whose directory is about to be changed: not yours, then Ctrl+C, and `az login --tenant` |
//! | `there is an app … already` | it stops, so that no other app is changed: take another name |
//! | an error that names `fc780465-…` | the API isn't in this tenant: no licence, Defender was never set up, or you are logged in to another tenant (`az login --tenant`) |
//! | `no such application permission` | it stops, since the API has none of that name: it is spelled otherwise, or a delegated one |
//! | `WindowsDefenderATP is …`, `the app is …` | two ids; nothing was granted yet |
//! | `Not Found` or `does not exist` | the directory is slow to know the new app: it tries again four times, for about a minute |
//! | `Authorization_RequestDenied`, `Insufficient privileges` | you may not grant this: end it with Ctrl+C, take the app back (below) with the id behind `the app is`, and have an administrator run the lines |
//! | `… is granted` | done: that is the consent |
//! | the `export` lines | what a program needs; the last shows **a secret**, so paste it where it is used, and clear the screen |
//! | `… as per assigned policy` | the tenant limits secrets, or allows none; the app and its grant stand: ask for a shorter one with `az ad app credential reset --id … --append --end-date 2027-03-31 --query password --output tsv` and the id behind `the app is`, or take a [certificate](crate::credentials#client-certificate) |
//!
//! The three lines are for bash and other shells of that family. In PowerShell the same is
//! `$env:AZURE_TENANT_ID = '…'`, `$env:AZURE_CLIENT_ID = '…'` and `$env:AZURE_CLIENT_SECRET = '…'`. Then
//! go on with [the check](#the-check).
//!
//! Where an administrator runs this for somebody else, the secret is handed over by a password manager,
//! and not by mail or chat. It can be made again at any time (below), so send it last, when tenant and
//! client id have arrived.
//!
//! Consent is given here by the request to Microsoft Graph in the middle. The command
//! `az ad app permission admin-consent` does the same, but only in the commercial cloud, and it was
//! reported to fail in Cloud Shell. Without `--only-show-errors`, `az ad app permission add` says that
//! `az ad app permission grant` is needed: that is for delegated permissions, not for this one.
//! A program whose token is older than the grant doesn't see it yet: start it again.
//!
//! **The secret** is good for a year (`--years`), and can't be shown again. For another one, which leaves
//! the old one valid until you delete that, first `AZURE_CLIENT_ID=…` in the shell of whoever runs `az`,
//! with the id behind `the app is`:
//!
//! ```sh
//! az ad app credential reset --id "${AZURE_CLIENT_ID:?}" --append --years 1 --only-show-errors \
//!     --query password --output tsv
//! az ad app credential list --id "${AZURE_CLIENT_ID:?}" --query "[].[keyId, endDateTime]" --output tsv
//! ```
//!
//! The first line of output is the new secret, the others are all that there are, with their end;
//! `az ad app credential delete --id "${AZURE_CLIENT_ID:?}" --key-id …` deletes one. A client reads its secret
//! once: a new one means a new client, or a restart.
//!
//! **To take all of it back**, the app with its account, its permissions and its secrets, with the id
//! that was printed. Lines that broke off have exported nothing, and `AZURE_CLIENT_ID` may be that of
//! another app:
//!
//! ```text
//! az ad app delete --id THE-ID-BEHIND-«the app is»
//! ```
//!
//! # The same in the portal
//!
//! At <https://entra.microsoft.com> or <https://portal.azure.com>, *Microsoft Entra ID*:
//!
//! 1. *App registrations*, *New registration*: a name such as `asset-sync`, *Accounts in this
//!    organizational directory only*, no redirect URI, *Register*.
//! 2. The page *Overview* that opens has *Directory (tenant) ID*, which is `AZURE_TENANT_ID`, and
//!    *Application (client) ID*, which is `AZURE_CLIENT_ID`. The *Object ID* beside them is needed
//!    nowhere.
//! 3. *API permissions*, *Add a permission*, *APIs my organization uses*: type `WindowsDefenderATP` (if it
//!    isn't there, the tenant has no licence, or Defender was never set up), *Application permissions*,
//!    open *Machine*, tick `Machine.Read.All`, *Add permissions*.
//! 4. *Grant admin consent for …* on the same page, *Yes*. The column *Status* must say *Granted* behind
//!    the permission. The button is grey for who may not consent: an administrator presses it.
//! 5. *Certificates & secrets*, *Client secrets*, *New client secret*: a description, an end, *Add*. Copy
//!    the column **Value** at once, since it is shown this one time: that is `AZURE_CLIENT_SECRET`. The
//!    *Secret ID* is not.
//!
//! # Without a secret
//!
//! What isn't there can't leak, and doesn't expire. [Credentials](crate::credentials) has the details.
//!
//! * In a cluster or a CI job: the app registration from above with `secret=no`, and a *federated
//!   credential*, which says whose tokens the app trusts: [workload
//!   identity](crate::credentials#workload-identity), for [GitHub Actions](crate::credentials#github-actions) too.
//! * On your own server: the same app, and a
//!   [certificate](crate::credentials#client-certificate).
//! * On a virtual machine, App Service, Functions, Container Apps or Azure Arc: a [managed
//!   identity](crate::credentials#managed-identity), which is no app registration at all, and is granted
//!   its permission [below](#granting-to-what-is-there).
//!
//! # Granting to what is there
//!
//! Another permission to an app, for writing for instance, or the first to a managed identity, for which
//! the portal has no button. The permission, and who gets it. For an app that is, after
//! `AZURE_CLIENT_ID=…` in the shell of whoever runs `az`, with the app's id:
//!
//! ```sh
//! permission=Machine.ReadWrite.All
//! identity=$(az ad sp show --id "${AZURE_CLIENT_ID:?}" --query id --output tsv)
//! ```
//!
//! and for a managed identity:
//!
//! ```sh
//! permission=Machine.Read.All
//! identity=$(az vm identity show --resource-group rg --name vm --query principalId --output tsv)
//! # or: az webapp identity show, az functionapp identity show, az containerapp identity show,
//! #     az identity show (user-assigned), az connectedmachine show --query identity.principalId (Arc)
//! ```
//!
//! The grant itself, after either:
//!
//! ```sh
//! (
//! set -euo pipefail
//! api=fc780465-2017-40d4-a0c5-307022471b92
//! identity=${identity%$'\r'}
//! az() { command az "$@" | tr -d '\r'; } # of Windows, whose lines end in CR too
//! echo "tenant $(az account show --query tenantId --output tsv)"
//! sleep 5
//! graph=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv)
//! resource=$(az ad sp show --id "$api" --query id --output tsv)
//! role=$(az ad sp show --id "$api" --query "appRoles[?value=='$permission'].id | [0]" --output tsv)
//! az rest --method POST --url "${graph%/}/v1.0/servicePrincipals/${identity:?}/appRoleAssignments" \
//!     --body "{\"principalId\":\"$identity\",\"resourceId\":\"$resource\",\"appRoleId\":\"${role:?}\"}" \
//!     --output none
//! echo "$permission is granted"
//! )
//! ```
//!
//! The platform keeps a managed identity's token for hours and hands it out again: a role that was
//! granted after the first try stays invisible until that token has expired.
//!
//! # As yourself
//!
//! With a device code: the program shows a code, you sign in with a browser. It needs an app that may
//! do so without a secret (a *public client*), *delegated* permissions, `Machine.Read` for machines and
//! `Machine.Read.All` for scans, and a role of yours in Defender that may see the data, which is given
//! in the Defender portal under *Permissions*. You see the device groups that are yours to see. Leave the
//! second permission out of `permissions` where no scans are wanted.
//!
//! ```sh
//! (
//! set -euo pipefail
//! name=asset-sync-users
//! permissions="Machine.Read Machine.Read.All"
//! api=fc780465-2017-40d4-a0c5-307022471b92
//!
//! az() { command az "$@" | tr -d '\r'; } # of Windows, whose lines end in CR too
//! tenant=$(az account show --query tenantId --output tsv)
//! echo "tenant $tenant"
//! sleep 5
//! taken=$(az ad app list --filter "displayName eq '$name'" --query "[0].appId" --output tsv)
//! if [ -n "$taken" ]; then echo "there is an app $name already: $taken" >&2; exit 1; fi
//! scopes=()
//! for permission in $permissions; do
//!     scope=$(az ad sp show --id "$api" --output tsv \
//!         --query "oauth2PermissionScopes[?value=='$permission'].id | [0]")
//!     scopes+=("${scope:?no such delegated permission: $permission}=Scope")
//! done
//!
//! app=$(az ad app create --display-name "$name" --is-fallback-public-client true \
//!     --query appId --output tsv)
//! echo "the app is $app"
//! az ad sp create --id "$app" --output none
//! az ad app permission add --id "$app" --api "$api" --api-permissions "${scopes[@]}" --only-show-errors
//! for pause in 5 10 20 30 0; do
//!     az ad app permission grant --id "$app" --api "$api" --scope "$permissions" --output none && break
//!     [ "$pause" -gt 0 ] || exit 1
//!     sleep "$pause"
//! done
//! echo "export AZURE_TENANT_ID=$tenant"
//! echo "export AZURE_CLIENT_ID=$app"
//! )
//! ```
//!
//! In the portal: *New registration* as above; *API permissions* with *Delegated permissions* instead;
//! *Grant admin consent*; and *Authentication*, *Allow public client flows*, *Yes*, *Save*.
//!
//! `whoami --device-code` (see [the check](#the-check)) shows whether it works, and [device
//! code](crate::credentials#device-code) has the code of it. Many tenants block this way to sign in with
//! Conditional Access (`AADSTS53003`). That the Azure CLI's own sign-in
//! ([`AzureCli`](crate::AzureCli)) does instead is not known to work: Entra may not admit its app to
//! this API.
//!
//! # One app, many tenants
//!
//! For whoever looks after several tenants. The app is registered once, at home, as multi-tenant: add
//! `--sign-in-audience AzureADMultipleOrgs` to `az ad app create`, or choose *Accounts in any
//! organizational directory* in the portal. Of an app that is there, with its id in `AZURE_CLIENT_ID`:
//!
//! ```sh
//! az ad app update --id "${AZURE_CLIENT_ID:?}" --sign-in-audience AzureADMultipleOrgs
//! ```
//!
//! Each customer's administrator then consents, in the customer's tenant (`az login --tenant`, as
//! above, with the customer's): by `az ad sp create --id` with the client id, and [the lines that
//! grant](#granting-to-what-is-there), which show the tenant first; or in a browser,
//! at `https://login.microsoftonline.com/{tenant}/adminconsent?client_id={client id}`, after which the
//! browser may end on an error for want of a redirect URI: that the app is among the customer's
//! *Enterprise applications*, with the permission, is what counts.
//!
//! The program has one credential and one client per tenant: the customer's tenant, and your client
//! id and secret. As far as is known the service counts calls by tenant, app and API, so that the
//! clients of different tenants each have limits of their own, as they have in this crate, and don't
//! divide them; only processes that share both tenant and app do
//! ([`RateLimits::divided_by`](crate::RateLimits::divided_by)). Secrets and certificates are read once:
//! when they change, build new clients.
//!
//! # Government clouds
//!
//! **GCC** uses the commercial login: all of the above holds, and `export DEFENDER_CLOUD=gcc` is added.
//!
//! **GCC High** is a world of its own. The app is registered anew in the customer's own tenant, by the
//! customer's administrator, at <https://portal.azure.us> or with `az`; an app of a commercial tenant
//! can't be used there. Log in like this, alone as above, and then paste the same [long
//! block](#one-paste-with-az): it finds out where Microsoft Graph is, and prints
//! `export DEFENDER_CLOUD=gcc-high` too.
//!
//! ```sh
//! az cloud set --name AzureUSGovernment
//! az login --tenant contoso.onmicrosoft.us --allow-no-subscriptions --output none
//! ```
//!
//! `az cloud set --name AzureCloud` leads back. **DoD** has its own Microsoft Graph
//! (`dod-graph.microsoft.us`), which `az` doesn't know: use the portal, and `DEFENDER_CLOUD=dod`.
//!
//! Two things aren't documented there, and nobody has confirmed them for this crate:
//!
//! * *The API's id.* Should `fc780465-…` be unknown, `az ad sp list --display-name WindowsDefenderATP
//!   --query "[].appId" --output tsv` may find another, for `api=`.
//! * *The scope.* The crate asks for the API host's own. Where Entra answers `AADSTS500011`, or the
//!   service 401 or 403 although `whoami` shows the permission, try the other one that is in use:
//!
//! ```sh
//! export DEFENDER_SCOPE=https://securitycenter.onmicrosoft.us/windowsatpservice/.default
//! # of GCC: https://securitycenter.onmicrosoft.com/windowsatpservice/.default
//! ```
//!
//! Take a shell of its own for each customer: else `DEFENDER_CLOUD` and `DEFENDER_SCOPE` of the last one
//! stay set for the next.
//!
//! In code it is `ClientBuilder::from_env()?.cloud(Cloud::GCC_HIGH).build()?`
//! ([`ClientBuilder::cloud`](crate::ClientBuilder::cloud), [`Cloud::with_scope`](crate::Cloud::with_scope)).
//!
//! # The check
//!
//! The example `whoami` is in the crate's repository and not in the package: clone that, set the
//! variables, and in its folder run one of
//!
//! ```sh
//! cargo run --example whoami
//! cargo run --example whoami -- --machines
//! cargo run --example whoami -- --device-code
//! ```
//!
//! (`cargo run --example whoami` in a project of your own doesn't find it.) Without variables it asks a
//! demo tenant, to show what it looks like, and says so in its last line: variables that were set
//! without `export`, or in another shell than a job's, are none. **The tenant id that it prints must be
//! yours.**
//!
//! | line | |
//! | --- | --- |
//! | `credential`, `API`, `authority`, `scope` | what the environment names: compare the hosts with your cloud |
//! | `no token: FAILED` | Entra refused: its code is in [the table](#what-a-refusal-means) |
//! | `token for`, `tenant`, `app` | what the token says; `token for` is the scope without `/.default`; the tenant must be yours |
//! | `roles`, or `scopes` of a user | the permissions that were granted; `none` means no consent |
//! | `granted`, `missing, …` | what of that each operation needs |
//! | `only for writing: …` | not granted, and nothing to miss for a program that only reads |
//! | `List machines API: went through` | the service answered: your program will run |
//! | `FAILED`, `why:` | what it answered, and what that means as far as the token tells |
//! | `listing machines: works` | the end of it |
//! | `listing machines: answers, but has none` | the service said 404: the last row of [the table](#what-a-refusal-means) |
//! | `… (demo tenant)` | there is no credential in the environment, and the machines are nobody's |
//!
//! The exit status is 0 where all calls went through, 1 where one didn't, 2 for a wrong option.
//! `--machines` asks for machines alone: a tenant without a licence for vulnerability management refuses
//! the scans, which a program that lists machines need not mind. `--scans` is the opposite.
//!
//! The list, for a spreadsheet; as yourself with `--device-code` behind it:
//!
//! ```sh
//! cargo run -q --example inventory -- --csv > machines.csv
//! ```
//!
//! A program of your own begins in [the cookbook](crate::cookbook).
//!
//! # What a refusal means
//!
//! Ids and texts are Entra's and the service's, and may change. `{:?}` of an
//! [`Error`](crate::Error) ends with a hint that says the same; `whoami` has also looked into the
//! token.
//!
//! | said | what it means | who does what |
//! | --- | --- | --- |
//! | `AADSTS7000215` | the client secret is wrong | you: take the secret's *Value*, not its id |
//! | `AADSTS7000222` | the client secret has expired | who owns the app: [another secret](#one-paste-with-az) |
//! | `AADSTS700016` | the tenant has no such application | you: check client id and tenant; of another tenant's app, that one's administrator consents |
//! | `AADSTS7000229` | the app has no service principal in this tenant | an administrator of it: `az ad sp create --id …` with the client id, and consent |
//! | `AADSTS7000112` | the app is disabled in this tenant | an administrator enables the enterprise application |
//! | `AADSTS90002` | there is no such tenant at this login | you: check its id, and `DEFENDER_CLOUD`: `contoso.onmicrosoft.us` is one of GCC High |
//! | `AADSTS900382` | the tenant is in another cloud | you: set `DEFENDER_CLOUD`; the app must be registered there |
//! | `AADSTS500011`, `AADSTS50001` | the tenant doesn't know the audience | you: check the scope (`DEFENDER_SCOPE`, in [government clouds](#government-clouds) the other one); else an administrator checks that there is a licence |
//! | `AADSTS1002012`, `AADSTS70011` | the scope is no audience with `/.default` | you: mend `DEFENDER_SCOPE`, or leave it out |
//! | `AADSTS65001` | nobody has consented | an administrator gives consent |
//! | `AADSTS50105` | the app admits only users who are assigned to it | an administrator assigns you to the enterprise application |
//! | `AADSTS53003` | Conditional Access blocks this way to sign in | as yourself: an administrator of the tenant allows it, or you take an app with a secret; with an app: an administrator looks at the policies for workload identities |
//! | `AADSTS7000218` | the app doesn't allow public client flows | who owns the app turns them on under *Authentication* |
//! | `AADSTS700213`, `AADSTS700211`, `AADSTS700212`, `AADSTS70021` | no federated identity credential of the app fits the token: its subject, issuer, audience | who owns the app compares them, letter by letter |
//! | `AADSTS700024` | the assertion has expired, or is not valid yet | you: check the clock of who signs it |
//! | `AADSTS700027` | the app doesn't know the certificate | who owns the app: upload the certificate |
//! | any other `AADSTS` and a number | <https://login.microsoftonline.com/error?code=NUMBER> explains it | with the Trace ID an administrator finds it in Entra's sign-in logs |
//! | `no connection to … through the proxy` | the proxy wasn't reached, or refused: it answered 407, since it wants a user name and password, or 403, since it lets nobody through to this host | you: check the proxy's address (`HTTPS_PROXY`), user and password; then who runs it |
//! | 401 `Account mode is inactive` | Defender was never set up in the tenant, or its licence has ended | an administrator opens security.microsoft.com (security.microsoft.us in GCC High and DoD), *Settings*, *Endpoints*, once, and looks at the licences |
//! | 401 `No Tvm license` | no licence for vulnerability management, which scans need | who buys licences; machines may be listed all the same |
//! | 401 with other words | a tenant without a licence, or of another cloud or region than the API's host | you: compare `whoami`'s lines with the tenant; then an administrator |
//! | 403 `Missing application roles` | the token has none of the permissions that the message names | an administrator adds the permission and gives consent; then a new token |
//! | 403 to a user, with the permission | the user's role in Defender, or the device group | who gives roles in Defender |
//! | 403, token for another audience | the scope is another API's | you: leave out `DEFENDER_SCOPE` |
//! | 403 `Tenant feature is not enabled` | a licence or a feature of the tenant is missing, and no consent | who buys licences |
//! | 401 or 403 without code and request id, as HTML | no answer of the service, nor of Entra, which says `AADSTS…`: a proxy or a firewall | who runs the network |
//! | 401 or 403 with no body at all | as with other words; or perhaps a proxy or a firewall | you: see whether there is one; else as above |
//! | 404 to the list of machines | no error of the crate: the tenant has no machines, or Defender was never set up; `inventory` says so and ends with 1 | an administrator |
