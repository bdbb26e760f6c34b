//! The names that a snapshot lists, and how each question about them is answered. Pure.

use std::collections::HashMap;
use std::net::IpAddr;

use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, PTR, SOA, SRV};
use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordType};
use k3ts_proto::v1::{DnsName, DnsSnapshot};

/// When a snapshot names none.
const CLUSTER_DOMAIN: &str = "cluster.local";
/// Seconds that records, and the lack of them, may be remembered, unless a snapshot says otherwise.
const TTL: u32 = 5;
/// Aliases that are followed one after the other.
const ALIASES_MAX: usize = 8;

/// Made whole from a snapshot and never changed.
pub struct Zone {
    pub version: String,
    pub listed: u32,
    /// Names that could not be understood, for the log.
    pub skipped: Vec<String>,
    domain: LowerName,
    soa: Record,
    names: HashMap<LowerName, Vec<Record>>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    Records {
        answers: Vec<&'a Record>,
        additionals: Vec<&'a Record>,
    },
    /// The name exists, but has nothing of that type.
    NoData,
    NoName,
    /// What is known of a chain of aliases that leads out of the zone, and where to.
    Alias {
        answers: Vec<&'a Record>,
        target: Name,
    },
    /// Somebody else's name.
    Elsewhere,
}

impl Zone {
    /// `serial` grows with every snapshot.
    pub fn new(snapshot: &DnsSnapshot, serial: u32) -> Result<Self, String> {
        let domain = if snapshot.cluster_domain.is_empty() {
            CLUSTER_DOMAIN
        } else {
            &snapshot.cluster_domain
        };
        let domain = parse(domain)?;
        let soa = SOA::new(
            below("ns.dns", &domain)?,
            below("hostmaster", &domain)?,
            serial,
            7200,
            1800,
            86400,
            TTL,
        );
        let mut zone = Self {
            version: snapshot.version.clone(),
            listed: 0,
            skipped: Vec::new(),
            soa: Record::from_rdata(domain.clone(), TTL, RData::SOA(soa)),
            names: HashMap::from([(LowerName::from(&domain), Vec::new())]),
            domain: LowerName::from(domain),
        };
        for listed in &snapshot.names {
            match zone.insert(listed) {
                Ok(()) => zone.listed += 1,
                Err(_) => zone.skipped.push(listed.name.clone()),
            }
        }
        Ok(zone)
    }

    fn insert(&mut self, listed: &DnsName) -> Result<(), String> {
        let name = parse(&listed.name)?;
        let ttl = if listed.ttl == 0 { TTL } else { listed.ttl };
        let mut data = Vec::new();
        if !listed.canonical_name.is_empty() {
            data.push(RData::CNAME(CNAME(parse(&listed.canonical_name)?)));
        }
        for address in &listed.addresses {
            data.push(match address.parse() {
                Ok(IpAddr::V4(address)) => RData::A(A(address)),
                Ok(IpAddr::V6(address)) => RData::AAAA(AAAA(address)),
                Err(_) => {
                    return Err(format!(
                        "Cannot serve \"{name}\" as its address must be one: it is \"{address}\""
                    ));
                }
            });
        }
        let port = |number: u32| u16::try_from(number).map_err(|error| error.to_string());
        for service in &listed.services {
            let target = parse(&service.target)?;
            data.push(RData::SRV(SRV::new(
                port(service.priority)?,
                port(service.weight)?,
                port(service.port)?,
                target,
            )));
        }
        for pointer in &listed.pointers {
            data.push(RData::PTR(PTR(parse(pointer)?)));
        }
        // The names between it and the domain exist too, though nothing stands there.
        let mut parent = LowerName::from(name.base_name());
        while self.domain.zone_of(&parent) && !self.names.contains_key(&parent) {
            self.names.insert(parent.clone(), Vec::new());
            parent = parent.base_name();
        }
        let records = data.into_iter().map(|data| Record::from_rdata(name.clone(), ttl, data));
        self.names.entry(LowerName::from(&name)).or_default().extend(records);
        Ok(())
    }

    /// Goes with every answer that says no, so that it can be remembered for a while.
    pub fn soa(&self) -> &Record {
        &self.soa
    }

    pub fn answer(&self, name: &LowerName, kind: RecordType) -> Answer<'_> {
        let ours = |name: &LowerName| self.domain.zone_of(name) || self.names.contains_key(name);
        if !ours(name) {
            return Answer::Elsewhere;
        }
        let mut answers: Vec<&Record> = Vec::new();
        let mut name = name.clone();
        for _ in 0..=ALIASES_MAX {
            let Some(records) = self.names.get(&name) else {
                return if answers.is_empty() {
                    Answer::NoName
                } else {
                    records_of(answers, Vec::new())
                };
            };
            let found = records.iter().filter(|record| matches(record, kind));
            if name == self.domain && kind == RecordType::SOA {
                return records_of(vec![&self.soa], Vec::new());
            }
            answers.extend(found);
            let alias = records.iter().find_map(alias_of);
            match alias.filter(|_| kind != RecordType::CNAME && kind != RecordType::ANY) {
                None if answers.is_empty() => return Answer::NoData,
                None => {
                    let additionals = answers
                        .iter()
                        .flat_map(|record| self.addresses_behind(record))
                        .collect();
                    return records_of(answers, additionals);
                }
                Some((record, target)) => {
                    answers.push(record);
                    name = LowerName::from(target);
                    if !ours(&name) {
                        return Answer::Alias {
                            answers,
                            target: target.clone(),
                        };
                    }
                }
            }
        }
        // A circle of aliases leads nowhere.
        Answer::NoData
    }

    /// A client that is told of a service's host will ask for its addresses next.
    fn addresses_behind(&self, record: &Record) -> impl Iterator<Item = &Record> {
        let target = match &record.data {
            RData::SRV(service) => self.names.get(&LowerName::from(&service.target)),
            _ => None,
        };
        let is_address = |record: &&Record| matches!(record.record_type(), RecordType::A | RecordType::AAAA);
        target.into_iter().flatten().filter(is_address)
    }
}

fn records_of<'a>(answers: Vec<&'a Record>, additionals: Vec<&'a Record>) -> Answer<'a> {
    Answer::Records { answers, additionals }
}

fn matches(record: &Record, kind: RecordType) -> bool {
    kind == RecordType::ANY || record.record_type() == kind
}

fn alias_of(record: &Record) -> Option<(&Record, &Name)> {
    match &record.data {
        RData::CNAME(CNAME(target)) => Some((record, target)),
        _ => None,
    }
}

/// Snapshots write names without the final dot.
fn parse(name: &str) -> Result<Name, String> {
    let mut parsed =
        Name::from_ascii(name).map_err(|error| format!("Cannot serve \"{name}\" as it must be a name: {error}"))?;
    parsed.set_fqdn(true);
    Ok(parsed)
}

fn below(label: &str, domain: &Name) -> Result<Name, String> {
    parse(&format!("{label}.{domain}"))
}

#[cfg(test)]
mod tests {
    use k3ts_proto::v1::DnsSrv;

    use super::*;

    fn name(name: &str) -> DnsName {
        DnsName {
            name: name.to_owned(),
            ..DnsName::default()
        }
    }

    fn zone() -> Zone {
        let names = vec![
            DnsName {
                addresses: vec!["10.43.0.7".to_owned(), "fd00::7".to_owned()],
                ..name("web.default.svc.cluster.local")
            },
            DnsName {
                services: vec![DnsSrv {
                    port: 80,
                    target: "web.default.svc.cluster.local".to_owned(),
                    ..DnsSrv::default()
                }],
                ..name("_http._tcp.web.default.svc.cluster.local")
            },
            DnsName {
                canonical_name: "web.default.svc.cluster.local".to_owned(),
                ..name("near.default.svc.cluster.local")
            },
            DnsName {
                canonical_name: "example.com".to_owned(),
                ..name("far.default.svc.cluster.local")
            },
            DnsName {
                canonical_name: "self.default.svc.cluster.local".to_owned(),
                ..name("self.default.svc.cluster.local")
            },
            DnsName {
                pointers: vec!["web.default.svc.cluster.local".to_owned()],
                ..name("7.0.43.10.in-addr.arpa")
            },
            DnsName {
                addresses: vec!["not an address".to_owned()],
                ..name("bad.default.svc.cluster.local")
            },
        ];
        Zone::new(
            &DnsSnapshot {
                names,
                version: "1".to_owned(),
                ..DnsSnapshot::default()
            },
            1,
        )
        .unwrap()
    }

    fn ask(zone: &Zone, name: &str, kind: RecordType) -> String {
        let texts = |records: &[&Record]| {
            records
                .iter()
                .map(|record| record.data.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        match zone.answer(&LowerName::from(parse(name).unwrap()), kind) {
            Answer::Records { answers, additionals } if additionals.is_empty() => texts(&answers),
            Answer::Records { answers, additionals } => format!("{} + {}", texts(&answers), texts(&additionals)),
            Answer::Alias { answers, target } => format!("{} -> {target}", texts(&answers)),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn listed_names_are_answered_by_type_and_without_regard_to_case() {
        let zone = zone();
        assert_eq!(
            (zone.listed, zone.skipped.as_slice()),
            (6, &["bad.default.svc.cluster.local".to_owned()][..])
        );
        assert_eq!(ask(&zone, "WEB.default.svc.cluster.local", RecordType::A), "10.43.0.7");
        assert_eq!(ask(&zone, "web.default.svc.cluster.local", RecordType::AAAA), "fd00::7");
        assert_eq!(
            ask(&zone, "7.0.43.10.in-addr.arpa", RecordType::PTR),
            "web.default.svc.cluster.local."
        );
        let service = ask(&zone, "_http._tcp.web.default.svc.cluster.local", RecordType::SRV);
        assert_eq!(service, "0 0 80 web.default.svc.cluster.local. + 10.43.0.7 fd00::7");
    }

    #[test]
    fn a_name_without_the_type_and_an_unknown_name_are_told_apart() {
        let zone = zone();
        assert_eq!(ask(&zone, "web.default.svc.cluster.local", RecordType::MX), "NoData");
        assert_eq!(ask(&zone, "default.svc.cluster.local", RecordType::A), "NoData");
        assert_eq!(ask(&zone, "none.default.svc.cluster.local", RecordType::A), "NoName");
        assert_eq!(ask(&zone, "example.com", RecordType::A), "Elsewhere");
        assert_eq!(ask(&zone, "1.0.43.10.in-addr.arpa", RecordType::PTR), "Elsewhere");
    }

    #[test]
    fn aliases_are_followed_as_far_as_the_zone_goes() {
        let zone = zone();
        let near = ask(&zone, "near.default.svc.cluster.local", RecordType::A);
        assert_eq!(near, "web.default.svc.cluster.local. 10.43.0.7");
        assert_eq!(
            ask(&zone, "far.default.svc.cluster.local", RecordType::A),
            "example.com. -> example.com."
        );
        assert_eq!(
            ask(&zone, "far.default.svc.cluster.local", RecordType::CNAME),
            "example.com."
        );
        assert_eq!(ask(&zone, "self.default.svc.cluster.local", RecordType::A), "NoData");
    }

    #[test]
    fn an_empty_snapshot_still_owns_its_domain() {
        let zone = Zone::new(&DnsSnapshot::default(), 1).unwrap();
        assert_eq!(ask(&zone, "web.default.svc.cluster.local", RecordType::A), "NoName");
        assert_eq!(ask(&zone, "cluster.local", RecordType::A), "NoData");
    }
}
