"""What generates the chart's files: values, their schema and documents, rules, dashboards and the plain manifests."""
