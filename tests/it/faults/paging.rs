//! Paging: links that lead astray, lists that change, walks that break off (F60 to F76).
