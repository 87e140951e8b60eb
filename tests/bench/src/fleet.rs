//! A fleet and a history that were never seen, each row like the documented ones and unlike the
//! next: about 1.1 kB a machine, which gzip makes about six times smaller.

use std::fmt::Write as _;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn of(row: usize, salt: u64) -> Self {
        // Through the mixer once: the streams of neighbours would overlap otherwise.
        let mut seed = Self(row as u64 ^ (salt << 32));
        Self(seed.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u64) as usize]
    }
}

/// One row of the machine list.
pub fn machine(text: &mut String, row: usize) {
    let n = &mut Numbers::of(row, 7);
    let (a, b, c) = (n.next(), n.next(), n.next() as u32);
    let site = n.one_of(&["ber", "muc", "nyc", "lon", "syd", "sin"]);
    let kind = n.one_of(&["ws", "srv", "lt", "vdi"]);
    let host = n.below(100_000);
    let (x, y, z) = (n.below(256), n.below(256), n.below(256));
    let day = |n: &mut Numbers| {
        let (month, day) = (n.below(12) + 1, n.below(28) + 1);
        let (hour, minute, second) = (n.below(24), n.below(60), n.below(60));
        let fraction = n.below(10_000_000);
        format!("{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:07}Z")
    };
    let (first, last) = (day(n), day(n));
    let platform = n.one_of(&[
        "Windows11",
        "Windows10",
        "WindowsServer2022",
        "Ubuntu",
        "macOS",
    ]);
    let version = n.one_of(&["24H2", "23H2", "22H2", "1809"]);
    let build = n.one_of(&["26100", "22631", "19045", "20348"]);
    let agent = n.below(9_000);
    let health = n.one_of(&["Active", "Active", "Active", "Inactive", "NoSensorData"]);
    let value = n.one_of(&["Normal", "Normal", "Low", "High"]);
    let group = n.below(40);
    let risk = n.one_of(&["None", "Informational", "Low", "Medium", "High"]);
    let exposure = n.one_of(&["None", "Low", "Medium", "High"]);
    let tags = n.one_of(&[
        "",
        "\"test\"",
        "\"test\",\"managed\"",
        "\"tier 0\",\"pci\",\"ring 1\"",
    ]);
    let managed = n.one_of(&["Intune", "MicrosoftDefenderForEndpoint", "Unknown"]);
    let mac = n.next() & 0xFFFF_FFFF_FFFF;
    let more = [
        format!("10.{x}.{y}.{z}"),
        format!("fe80::{y:x}:{z:x}"),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let count = [1, 2, 2, 2, 2, 2, 3, 4][n.below(8) as usize];
    let addresses = more.map(|address| {
        format!(r#"{{"ipAddress":"{address}","macAddress":"{mac:012X}","type":"Ethernet","operationalStatus":"Up"}}"#)
    });
    let addresses = addresses[..count].join(",");
    let aad = n.next();
    let _ = write!(
        text,
        r#"{{"id":"{a:016x}{b:016x}{c:08x}","mergedIntoMachineId":null,"isPotentialDuplication":false,"isExcluded":false,"exclusionReason":null,"computerDnsName":"{kind}-{host:05}.{site}.contoso.com","firstSeen":"2024-{first}","lastSeen":"2026-{last}","osPlatform":"{platform}","osVersion":null,"osProcessor":"x64","version":"{version}","lastIpAddress":"10.{x}.{y}.{z}","lastExternalIpAddress":"203.0.113.{z}","agentVersion":"10.{agent}.{build}.{host}","osBuild":{build},"healthStatus":"{health}","deviceValue":"{value}","rbacGroupId":{group},"rbacGroupName":"Group {group}","riskScore":"{risk}","exposureLevel":"{exposure}","isAadJoined":true,"aadDeviceId":"{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}","machineTags":[{tags}],"onboardingStatus":"Onboarded","osArchitecture":"64-bit","managedBy":"{managed}","managedByStatus":"Success","ipAddresses":[{addresses}],"vmMetadata":null}}"#,
        aad >> 32,
        (aad >> 16) & 0xFFFF,
        aad & 0xFFF,
        (aad >> 12) & 0xFFF,
        mac ^ 0x1234_5678_9ABC,
    );
}

/// One row of a scan's history, as the documentation shows it.
pub fn history(text: &mut String, row: usize) {
    let n = &mut Numbers::of(row, 13);
    let (definition, scanner) = (n.next(), n.below(5));
    let (day, hour, minute, fraction) = (
        n.below(28) + 1,
        n.below(24),
        n.below(60),
        n.below(10_000_000),
    );
    let status = n.one_of(&["Success", "Success", "Partial Success", "Fail"]);
    let _ = write!(
        text,
        r#"{{"ScanDefinitionIds":"{:08x}-6b3a-4894-b42a-{:012x}","LastScanned":"2026-10-{day:02}T{hour:02}:{minute:02}:24.{fraction:07}Z","ScanStatus":"{status}","ScannerId":"625431694b7d2ca9d07e77ca1b029ef216bebb{scanner:02}"}}"#,
        definition >> 32,
        definition & 0xFFFF_FFFF_FFFF,
    );
}

/// One row of a scan's history, as the service's schema has it, with two targets.
pub fn history_with_targets(text: &mut String, row: usize) {
    let n = &mut Numbers::of(row, 11);
    let (a, b) = (n.next(), n.next());
    let scanner = n.below(5);
    let (day, hour, minute, fraction) = (
        n.below(28) + 1,
        n.below(24),
        n.below(60),
        n.below(10_000_000),
    );
    let (y, z) = (n.below(256), n.below(256));
    let status = n.one_of(&["Success", "Success", "PartialSuccess", "Fail"]);
    let seconds = n.below(60);
    let _ = write!(
        text,
        r#"{{"orgId":"0335a792-18d2-424b-aeed-559567054570","scanDefinitionId":"{}","sessionId":"{a:016x}{b:016x}","scannerId":"625431694b7d2ca9d07e77ca1b029ef216bebb{scanner:02}","lastScanned":"2026-10-{day:02}T{hour:02}:{minute:02}:11.{fraction:07}Z","scanStatus":"{status}","numberOfSuccessfullyScannedTargets":1,"numberOfTargets":2,"generalErrorMessage":null,"scannedTargets":[{{"scanDuration":"00:08:{seconds:02}.1234567","ip":"10.0.{y}.{z}","hostname":"switch-{y}-{z}","scannedDeviceDescription":"Network device","errorMessage":null,"scanStatus":"Success"}},{{"scanDuration":"00:00:00","ip":"10.1.{z}.{y}","hostname":null,"scannedDeviceDescription":null,"errorMessage":"No answer","scanStatus":"{status}"}}]}}"#,
        report::DEFINITION,
    );
}

/// A machine that is one huge element: a tag of so many bytes.
pub fn huge_machine(text: &mut String, bytes: usize) {
    text.push_str(r#"{"id":"1","computerDnsName":null,"agentVersion":null,"machineTags":[""#);
    text.extend(std::iter::repeat_n("0123456789abcdef", bytes / 16));
    text.push_str(r#""],"ipAddresses":[]}"#);
}
