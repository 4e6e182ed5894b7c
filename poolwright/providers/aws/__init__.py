"""VMs on Amazon EC2, on demand or spot, with boto3."""
