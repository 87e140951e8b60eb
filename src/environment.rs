//! What the environment's variables name: a credential, and a cloud. Sends nothing and looks for
//! nothing that they don't name.

use std::env;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

#[cfg(feature = "certificate")]
use crate::auth::ClientCertificate;
use crate::auth::{
    AzureCli, ClientAssertion, ClientSecret, Credential, ID_TOKEN_KEY, ID_TOKEN_URL,
    ManagedIdentity, WorkloadIdentity, check_client_id, check_tenant,
};
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind};
#[cfg(any(feature = "rustls", feature = "native-tls"))]
use crate::file;
use crate::secret::Secret;

const TENANT: &str = "AZURE_TENANT_ID";
pub(crate) const CLIENT: &str = "AZURE_CLIENT_ID";
const SECRET: &str = "AZURE_CLIENT_SECRET";
const CERTIFICATE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";
const CHOICE: &str = "AZURE_TOKEN_CREDENTIALS";
const NONE: &str = "the environment names no credential";
const BEGIN: &str = "https://docs.rs/defender-endpoint/latest/defender_endpoint/setup/ begins with nothing. An \
                     app registration's overview has tenant and client id";
const NO_PERMISSION: &str = "GitHub sets ACTIONS_ID_TOKEN_REQUEST_URL for a job with `permissions: id-token: \
                             write`, but not for a pull request from a fork";
const CLOUD: &str = "DEFENDER_CLOUD";
const API_URL: &str = "DEFENDER_API_URL";
const SCOPE: &str = "DEFENDER_SCOPE";
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub(crate) const ROOTS: &str = "DEFENDER_ROOT_CERTIFICATES";

/// Who sets one of these means a tenant: what else is missing is a mistake then.
const MEANT: [&str; 11] = [
    TENANT,
    CLIENT,
    SECRET,
    CERTIFICATE,
    TOKEN_FILE,
    AUTHORITY,
    CHOICE,
    CLOUD,
    API_URL,
    SCOPE,
    "IDENTITY_ENDPOINT",
];

/// Where variables are read. What is blank counts as missing, and blanks around a value don't count.
pub(crate) struct Environment<'a>(pub(crate) &'a dyn Fn(&str) -> Result<Option<String>, Error>);

/// Runs `act` with the variables of this process.
pub(crate) fn with_process<T>(act: impl FnOnce(&Environment<'_>) -> T) -> T {
    act(&Environment(&|name| match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => {
            Err(Error::config(format!("{name} is not valid Unicode")))
        }
    }))
}

/// A credential that may be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    WorkloadIdentity,
    Certificate,
    Secret,
    GitHubActions,
    ManagedIdentity,
    AzureCli,
}

/// What came of looking for one.
enum Found {
    Credential(Arc<dyn Credential>),
    /// Why this can't be it.
    Nothing(String),
}

impl Environment<'_> {
    /// The first credential that the variables name completely.
    pub(crate) fn credential(&self) -> Result<Arc<dyn Credential>, Error> {
        let choice = self.read(CHOICE)?;
        let candidates = candidates(choice.as_deref())?;
        let mut reasons = Vec::new();
        let by_name = choice.is_some() && candidates.len() == 1;
        for candidate in candidates {
            match self.look(*candidate, by_name)? {
                Found::Credential(credential) => return Ok(credential),
                Found::Nothing(reason) => reasons.push((*candidate, reason)),
            }
        }
        Err(self.none_of(candidates, reasons)?)
    }

    /// The error that none of these is named completely, each with what is missing.
    fn none_of(
        &self,
        candidates: &[Candidate],
        mut reasons: Vec<(Candidate, String)>,
    ) -> Result<Error, Error> {
        let issuer = [
            self.read(ID_TOKEN_URL)?.is_some(),
            self.secret(ID_TOKEN_KEY)?.is_some(),
        ];
        let at_github = self.read("GITHUB_ACTIONS")?.is_some() || issuer.contains(&true);
        // Elsewhere nobody needs to hear of it.
        reasons.retain(|(candidate, _)| at_github || *candidate != Candidate::GitHubActions);
        let lacks_permission = at_github && issuer.contains(&false);
        let told =
            |(candidate, reason): &(Candidate, String)| format!("{}: {reason}", candidate.name());

        let mut kind = ErrorKind::NoCredential;
        for name in MEANT {
            if self.raw(name)?.is_some() {
                kind = ErrorKind::Config;
            }
        }
        if candidates.len() < ALL.len() {
            let reasons: Vec<_> = reasons.iter().map(told).collect();
            let reasons = reasons.join("; ");
            let text = format!("{NONE}. {reasons}; {CHOICE} leaves out all others");
            let mut hint = format!("set what is missing, or take {CHOICE} out of the environment");
            if lacks_permission && candidates.contains(&Candidate::GitHubActions) {
                hint = format!("{NO_PERMISSION}; {hint}");
            }
            return Ok(Error::new(kind, text).with_hint(hint));
        }
        // What most begin with comes first, and stands in the text; the others have a line each.
        let is_first = |(candidate, _): &&(Candidate, String)| *candidate == Candidate::Secret;
        let (first, others): (Vec<_>, Vec<_>) = reasons.iter().partition(is_first);
        let first: String = first.into_iter().map(told).collect();
        let mut others: Vec<_> = others.into_iter().map(told).collect();
        others.push(format!(
            "on a virtual machine or an Azure Arc server: set {CHOICE}=ManagedIdentityCredential"
        ));
        others.push(format!(
            "to be yourself, after `az login`: set {CHOICE}=AzureCliCredential, where Entra admits it"
        ));
        let advice = if lacks_permission {
            NO_PERMISSION
        } else {
            BEGIN
        };
        // In one line, as logs have it, it is still told where each ends.
        let others = others.join(";\n    ");
        let hint = format!("one credential is enough. {advice}. The others:\n    {others}");
        Ok(Error::new(kind, format!("{NONE}. {first}")).with_hint(hint))
    }

    /// The cloud, with the hosts and the scope that have variables of their own.
    pub(crate) fn cloud(&self) -> Result<Cloud, Error> {
        let of = |name| move |error: Error| error.for_request(name);
        let cloud_name = self.read(CLOUD)?;
        let api_url = self.read(API_URL)?;
        let mut cloud = match (&cloud_name, &api_url) {
            (Some(name), _) => name.parse().map_err(of(CLOUD))?,
            (None, Some(url)) => Cloud::of_api_url(url).unwrap_or_default(),
            (None, None) => Cloud::default(),
        };
        if let Some(url) = api_url {
            cloud = cloud.with_api_url(url);
        }
        if let Some(url) = self.read(AUTHORITY)? {
            cloud = cloud.with_authority(url);
        }
        if let Some(scope) = self.read(SCOPE)? {
            cloud = cloud.with_scope(scope);
        }
        cloud.api_origin().map_err(of(API_URL))?;
        cloud.authority_origin().map_err(of(AUTHORITY))?;
        Ok(cloud)
    }

    /// The root certificates to trust beside the built-in ones, in PEM.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub(crate) fn root_certificates(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let Some(path) = self.read(ROOTS)? else {
            return Ok(None);
        };
        let pem = file::read_pem(Path::new(&path), "root certificates' file");
        pem.map(Some).map_err(|error| error.for_request(ROOTS))
    }

    fn look(&self, candidate: Candidate, by_name: bool) -> Result<Found, Error> {
        match candidate {
            Candidate::WorkloadIdentity => {
                self.of_application(TOKEN_FILE, |tenant, client, file| {
                    WorkloadIdentity::new(tenant, client, file.trim()).map(found)
                })
            }
            #[cfg(feature = "certificate")]
            Candidate::Certificate => self.of_application(CERTIFICATE, |tenant, client, file| {
                ClientCertificate::from_file(tenant, client, file.trim()).map(found)
            }),
            #[cfg(not(feature = "certificate"))]
            Candidate::Certificate => self.of_application(CERTIFICATE, |_, _, _| {
                let text = "this program was built without the crate's feature `certificate`";
                // To be another than the one that is named would be a surprise.
                Err(Error::config(text).with_hint("build it with that, or unset this variable"))
            }),
            Candidate::Secret => self.of_application(SECRET, |tenant, client, secret| {
                ClientSecret::new(tenant, client, secret).map(found)
            }),
            Candidate::GitHubActions => {
                let has_key = self.secret(ID_TOKEN_KEY)?.is_some();
                self.of_application(ID_TOKEN_URL, |tenant, client, _| {
                    if !has_key {
                        // GitHub sets both, and this program may mean another credential.
                        return Ok(Found::Nothing(format!("{ID_TOKEN_KEY} is missing")));
                    }
                    ClientAssertion::of_github_actions(tenant, client, self).map(found)
                })
            }
            Candidate::ManagedIdentity => self.managed_identity(by_name),
            Candidate::AzureCli => {
                let cli = AzureCli::new();
                Ok(found(match self.tenant()? {
                    Some(tenant) => cli.tenant(tenant),
                    None => cli,
                }))
            }
        }
    }

    /// A credential of an app registration, which takes three variables.
    fn of_application(
        &self,
        last: &'static str,
        make: impl FnOnce(&str, &str, &str) -> Result<Found, Error>,
    ) -> Result<Found, Error> {
        let names = [TENANT, CLIENT, last];
        let (tenant, client) = (self.read(TENANT)?, self.read(CLIENT)?);
        let value = self.raw(last)?.map(Zeroizing::new);
        let (Some(tenant), Some(client), Some(value)) = (&tenant, &client, &value) else {
            let values = [tenant.is_some(), client.is_some(), value.is_some()];
            let missing = names.into_iter().zip(values).filter(|(_, is_set)| !is_set);
            let missing: Vec<&str> = missing.map(|(name, _)| name).collect();
            let are = if missing.len() == 1 { "is" } else { "are" };
            return Ok(Found::Nothing(format!(
                "{} {are} missing",
                missing.join(", ")
            )));
        };
        let of = |name| move |error: Error| error.for_request(name);
        check_tenant(tenant).map_err(of(TENANT))?;
        check_client_id(client).map_err(of(CLIENT))?;
        make(tenant, client, value).map_err(of(last))
    }

    /// Where the platform's own variables say that there is one, or where it was asked for by name:
    /// only then is a metadata service asked.
    fn managed_identity(&self, by_name: bool) -> Result<Found, Error> {
        match ManagedIdentity::from_variables(self) {
            Ok(Some(identity)) => return Ok(found(identity)),
            // A platform sets its variables for all programs, and this one may mean another credential.
            Err(error) if !by_name => {
                let hint = error.hint().map(|hint| format!(" ({hint})"));
                return Ok(Found::Nothing(format!(
                    "{error}{}",
                    hint.unwrap_or_default()
                )));
            }
            Err(error) => return Err(error),
            Ok(None) if !by_name => {
                let missing = match self.read("IDENTITY_ENDPOINT")? {
                    Some(_) => "IDENTITY_HEADER or IMDS_ENDPOINT",
                    None => "IDENTITY_ENDPOINT",
                };
                let reason = format!("{missing} is missing, which the platform sets");
                return Ok(Found::Nothing(reason));
            }
            Ok(None) => {}
        }
        match self.read(CLIENT)? {
            Some(client) => {
                ManagedIdentity::by_client_id(client).map_err(|it| it.for_request(CLIENT))
            }
            None => ManagedIdentity::system_assigned(),
        }
        .map(found)
    }

    fn tenant(&self) -> Result<Option<String>, Error> {
        let tenant = self.read(TENANT)?;
        if let Some(tenant) = &tenant {
            check_tenant(tenant).map_err(|error| error.for_request(TENANT))?;
        }
        Ok(tenant)
    }

    pub(crate) fn read(&self, name: &str) -> Result<Option<String>, Error> {
        let value = self.raw(name)?;
        Ok(value.map(|value| value.trim().to_owned()))
    }

    /// The same of a secret, without a copy that isn't wiped.
    pub(crate) fn secret(&self, name: &str) -> Result<Option<Secret>, Error> {
        let value = self.raw(name)?.map(Zeroizing::new);
        Ok(value.map(|value| Secret::from(value.trim())))
    }

    /// As it is: the blanks around a secret are refused where they do harm, and not dropped.
    fn raw(&self, name: &str) -> Result<Option<String>, Error> {
        let value = (self.0)(name)?;
        Ok(value.filter(|value| !value.trim().is_empty()))
    }
}

fn found(credential: impl Credential + 'static) -> Found {
    Found::Credential(Arc::new(credential))
}

impl Candidate {
    fn name(self) -> &'static str {
        match self {
            Self::WorkloadIdentity => "workload identity",
            Self::Certificate if cfg!(feature = "certificate") => "client certificate",
            Self::Certificate => "client certificate (feature `certificate`, which is off)",
            Self::Secret => "client secret",
            Self::GitHubActions => "GitHub Actions",
            Self::ManagedIdentity => "managed identity",
            Self::AzureCli => "Azure CLI",
        }
    }
}

/// The order.
const ALL: [Candidate; 5] = [
    Candidate::WorkloadIdentity,
    Candidate::Certificate,
    Candidate::Secret,
    Candidate::GitHubActions,
    Candidate::ManagedIdentity,
];

/// What `AZURE_TOKEN_CREDENTIALS` leaves of the order: the Azure SDKs' names, in any case.
fn candidates(choice: Option<&str>) -> Result<&'static [Candidate], Error> {
    let Some(name) = choice else {
        return Ok(&ALL);
    };
    Ok(match name.to_ascii_lowercase().as_str() {
        "prod" => &ALL,
        "environmentcredential" => &[Candidate::Certificate, Candidate::Secret],
        "workloadidentitycredential" => &[Candidate::WorkloadIdentity, Candidate::GitHubActions],
        "managedidentitycredential" => &[Candidate::ManagedIdentity],
        "azureclicredential" | "dev" => &[Candidate::AzureCli],
        _ => {
            return Err(Error::config(format!(
                "{CHOICE} names no credential of this crate: expected EnvironmentCredential, \
                 WorkloadIdentityCredential, ManagedIdentityCredential, AzureCliCredential, prod or dev"
            )));
        }
    })
}
