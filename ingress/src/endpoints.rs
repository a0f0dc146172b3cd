//! Which pod a call belongs to, by the host and the path it came to: nothing in a message names it (protocol.md 7).

use std::fmt;

use http::{HeaderMap, Uri, header};
use penstock_shared::ids::Pod;

/// mParticle has four pods; this leaves room for several names of each.
const ENDPOINTS_MAX: usize = 64;

/// The endpoints that were given to pods. A call to none of them belongs to the pod of the whole ingress: no path and no
/// host is ever refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The most exact first, so the first that fits is the one.
    list: Vec<Endpoint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Endpoint {
    pod: Pod,
    /// In lower case, without port and last dot.
    host: Option<String>,
    /// In lower case; empty for every path.
    segments: Vec<String>,
}

/// Everything that is wrong with a list of endpoints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct EndpointsError(Vec<String>);

impl fmt::Display for EndpointsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl Endpoints {
    /// Reads `pod=host`, `pod=/prefix` and `pod=host/prefix`, with blanks or commas between.
    ///
    /// # Errors
    /// With every entry that is none of these, or whose place another entry has.
    pub fn parse(text: &str) -> Result<Self, EndpointsError> {
        let (mut list, mut mistakes) = (Vec::<Endpoint>::new(), Vec::new());
        let entries = text.split(|c: char| c.is_whitespace() || c == ',').filter(|entry| !entry.is_empty());
        for entry in entries {
            match Endpoint::parse(entry) {
                Err(mistake) => mistakes.push(format!("`{}` {mistake}", cut(entry))),
                Ok(new) => match list.iter().find(|old| old.place() == new.place()) {
                    Some(old) => {
                        mistakes.push(format!("`{}` is a place that {} has already", cut(entry), old.pod));
                    }
                    None => list.push(new),
                },
            }
        }
        if list.len() > ENDPOINTS_MAX {
            mistakes.push(format!("there are more than {ENDPOINTS_MAX} endpoints"));
        }
        if !mistakes.is_empty() {
            return Err(EndpointsError(mistakes));
        }
        list.sort_by_key(|endpoint| (endpoint.host.is_none(), usize::MAX - endpoint.segments.len()));
        Ok(Self { list })
    }

    /// The pod of a call: that of the most exact endpoint that fits. One with a host is more exact than one without;
    /// after that the longer prefix counts. `None` when none fits.
    pub fn pod_of(&self, uri: &Uri, headers: &HeaderMap) -> Option<&Pod> {
        if self.list.is_empty() {
            return None;
        }
        let host = host(uri, headers);
        self.list.iter().find(|endpoint| endpoint.fits(host, uri.path())).map(|found| &found.pod)
    }

    /// The pods that endpoints were given to, each as often as it has endpoints.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.list.iter().map(|endpoint| &endpoint.pod)
    }
}

impl Endpoint {
    fn parse(entry: &str) -> Result<Self, String> {
        let wanted = || "is none: write pod=host, pod=/prefix or pod=host/prefix".to_owned();
        let (pod, place) = entry.split_once('=').ok_or_else(wanted)?;
        let pod = Pod::new(pod).map_err(|error| format!("is none: {error}"))?;
        if place.contains("://") {
            return Err("is none: leave out the scheme".to_owned());
        }
        let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        if path.contains(['?', '#', '%']) {
            return Err("is none: a prefix has no `?`, `#` or `%`".to_owned());
        }
        let segments: Vec<String> = segments(path).map(str::to_ascii_lowercase).collect();
        if host.is_empty() {
            if segments.is_empty() {
                return Err("names no place; the pod of every other call is the setting `pod`".to_owned());
            }
            return Ok(Self { pod, host: None, segments });
        }
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if host.is_empty() || !host.bytes().all(plain) {
            return Err("is none: write the host's name alone, without a port".to_owned());
        }
        Ok(Self { pod, host: Some(host), segments })
    }

    fn place(&self) -> (&Option<String>, &[String]) {
        (&self.host, &self.segments)
    }

    fn fits(&self, host: Option<&str>, path: &str) -> bool {
        let mut segments = segments(path);
        self.host.as_deref().is_none_or(|own| host.is_some_and(|host| host.eq_ignore_ascii_case(own)))
            && self
                .segments
                .iter()
                .all(|own| segments.next().is_some_and(|segment| segment.eq_ignore_ascii_case(own)))
    }
}

/// The parts of a path. Empty ones do not count: a base URL that ends in a slash makes them.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// The host that was called, without port and last dot: of the URI, where HTTP/2 puts it, or of the header.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let host = match uri.host() {
        Some(host) => host,
        // An address of IPv6 is cut anywhere: no endpoint is named so.
        None => headers.get(header::HOST)?.to_str().ok()?.split(':').next()?,
    };
    Some(host.strip_suffix('.').unwrap_or(host))
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod_of(endpoints: &str, host: &str, uri: &str) -> String {
        let mut headers = HeaderMap::new();
        if !host.is_empty() {
            headers.insert(header::HOST, host.parse().unwrap());
        }
        let endpoints = Endpoints::parse(endpoints).unwrap();
        let pod = endpoints.pod_of(&uri.parse().unwrap(), &headers);
        pod.map_or_else(|| "default".to_owned(), ToString::to_string)
    }

    #[test]
    fn a_path_is_matched_by_whole_parts_and_what_fits_nothing_is_of_the_default_pod() {
        let endpoints = "eu1=/eu1 au1=/in/au1";
        for (uri, pod) in [
            ("/eu1", "eu1"),
            ("/eu1/", "eu1"),
            ("//EU1//events?x=/au1", "eu1"),
            ("/eu1/in/au1", "eu1"),
            ("/in/au1/events", "au1"),
            ("/in", "default"),
            ("/eu10", "default"),
            ("/x/eu1", "default"),
            ("/", "default"),
            ("*", "default"),
        ] {
            assert_eq!(pod_of(endpoints, "in.example.com", uri), pod, "{uri}");
        }
    }

    #[test]
    fn a_host_is_matched_whatever_its_case_and_port() {
        let endpoints = "au1=au1.in.example.com";
        for host in ["au1.in.example.com", "AU1.in.Example.com:8443", "au1.in.example.com."] {
            assert_eq!(pod_of(endpoints, host, "/any"), "au1", "{host}");
        }
        for host in
            ["in.example.com", "xau1.in.example.com", "au1.in.example.com.evil.example", "[::1]:80", "@", ""]
        {
            assert_eq!(pod_of(endpoints, host, "/any"), "default", "{host}");
        }
        assert_eq!(pod_of(endpoints, "", "https://au1.in.example.com:443/any"), "au1");
    }

    #[test]
    fn the_most_exact_endpoint_counts_wherever_it_stands() {
        let endpoints = "eu1=/a, us2=/a/b, au1=in.example.com us1=in.example.com/a";
        for (host, uri, pod) in [
            ("x", "/a/c", "eu1"),
            ("x", "/a/b/c", "us2"),
            ("in.example.com", "/b", "au1"),
            ("in.example.com", "/a/b", "us1"),
        ] {
            assert_eq!(pod_of(endpoints, host, uri), pod, "{host}{uri}");
        }
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let text = "us1 EU=/eu au1=/ us2=https://x eu1=in:8080 eu1=/a?b eu1=/a us2=/A/ eu1=";
        let told = Endpoints::parse(text).unwrap_err();
        let told: Vec<&str> = told.0.iter().map(|mistake| mistake.split(' ').next().unwrap()).collect();
        let entries =
            ["us1", "EU=/eu", "au1=/", "us2=https://x", "eu1=in:8080", "eu1=/a?b", "us2=/A/", "eu1="];
        assert_eq!(told, entries.map(|entry| format!("`{entry}`")));
    }
}
