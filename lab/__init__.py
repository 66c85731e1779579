"""The lab: experiments that measure what each transport costs, on the reader's own machine."""
