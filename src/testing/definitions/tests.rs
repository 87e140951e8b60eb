//! Definitions over their sockets.

use serde_json::json;

use crate::testing::Tenant;
use crate::testing::server::raw::{code, get, token};

const PATH: &str = "/api/DeviceAuthenticatedScanDefinitions";

#[test]
fn a_definition_is_found_by_its_id_in_either_spelling() {
    let rows = [json!({ "id": "a" }), json!({ "Id": "b", "ScanName": "B" })];
    let tenant = Tenant::builder().scan_definitions(rows).start().unwrap();
    let token = token(&tenant);
    let ask = |id: &str| get(&tenant, &token, &format!("{PATH}/{id}")).unwrap();
    let context = format!(
        "{}/api/$metadata#DeviceAuthenticatedScanDefinitions/$entity",
        tenant.url()
    );
    let expected = json!({ "@odata.context": context, "Id": "b", "ScanName": "B" });
    assert_eq!(ask("b").json(), expected);
    for id in ["B", "x", "a%2F"] {
        assert_eq!(code(&ask(id)), (404, "ResourceNotFound".to_owned()), "{id}");
    }
    assert_eq!(ask("a?$select=id").status, 400);
}
