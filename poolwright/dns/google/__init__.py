"""Google Cloud DNS: public and private managed zones of one project."""
